-- Whose database this is.
select
    installation.instance,
    installation.installed_at,
    installation.epoch
from funnelproof.installation
