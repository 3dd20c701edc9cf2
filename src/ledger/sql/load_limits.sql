-- load_limits: what the load_ statements of this transaction leave out; COPY takes no parameters.
-- parameters: $1 revisions kept; $2 time since which answers are kept
-- rows: one, of no interest
-- read (settings of this transaction only)
select
	set_config('berth.keep_revisions', $1::bigint::text, true),
	set_config('berth.keep_answers_since', $2::timestamptz::text, true)
