-- Whether an epoch is the current one; asked after the lock.
select coalesce(installation.epoch = $1, false) from funnelproof.installation
