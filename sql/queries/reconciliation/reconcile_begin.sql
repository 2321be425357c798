-- Opens the record of a reconciliation.
insert into funnelproof.reconciliation (started_at) values (clock_timestamp())
returning reconciliation_id
