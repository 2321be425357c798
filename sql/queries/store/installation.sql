-- The installation that this database belongs to, and its current epoch.
select
    installation.instance,
    installation.installed_at,
    installation.epoch
from funnelproof.installation
