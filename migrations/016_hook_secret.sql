-- What a group's hooks and gates are sent is signed. A server of the release before does not name this column, and signs nothing.
alter table base_group add column hook_secret text;
comment on column base_group.hook_secret is 'signs what URLs around a swap and gate URLs are sent; null: nothing is signed';
