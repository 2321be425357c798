-- Wakes the senders of alerts once this transaction is committed.
select pg_notify('funnelproof_alerts', '')
