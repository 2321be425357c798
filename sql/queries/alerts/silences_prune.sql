-- Deletes silences that ended long ago, and whose end was told of. $1 before when
delete from funnelproof.alert_silence
where ends_at < $1 and told_at is not null
