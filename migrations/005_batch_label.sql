-- A batch may be for some bases only: those of a zone, with a label, or one by name.
alter table batch add column label text;
comment on column batch.label is 'bases it is for, as key=value (zone=a, base=n3); null or empty for any. The last batch takes what is left';
