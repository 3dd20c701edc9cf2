-- Several changes in one plan: deployments that hold still while what they require, or what requires them, changes.
alter table plan_change add column accompanies boolean not null default false;
comment on column plan_change.accompanies is 'nothing new is wanted of it; it requires, or is required by, what the plan changes, and holds still meanwhile';
