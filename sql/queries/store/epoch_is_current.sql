-- True if $1 is the current epoch. The caller holds the epoch's lock, so a true answer stays true.
select coalesce(installation.epoch = $1, false) from funnelproof.installation
