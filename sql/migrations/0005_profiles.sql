-- Profiles: beside each count, the counts by the buckets of a window in which deals entered and converted.
-- A profile is a number in which, read in decimal, every place of two buckets has eight digits: streams/domain/profile.py
-- says which. So a sum of profiles is the profile of all deals, and the remainder by 99999999 is that of their number.

-- Null: a partial of an epoch without profiles.
alter table funnelproof.partial
add column profile numeric check (profile >= 0 and mod(profile - deals, 99999999) = 0);

-- The profiles of a run's facts; no row where no deal entered. The numbers of deals are the fact's. A change of a profile
-- alone makes no revision: the run then gets another version of the profile, with the proof (`proof_id`) at which the change
-- was seen. The version with the greatest proof is the present profile; no version is ever changed.
create table funnelproof.run_profile (
    run_id uuid not null references funnelproof.window_run (run_id) on delete cascade,
    from_stage_id uuid not null,
    to_stage_id uuid not null,
    entered_count bigint not null,
    converted_count bigint not null,
    proof_id bigint not null,
    entered numeric not null check (entered >= 0 and mod(entered - entered_count, 99999999) = 0),
    converted numeric not null check (converted >= 0 and mod(converted - converted_count, 99999999) = 0),
    primary key (run_id, from_stage_id, to_stage_id, proof_id)
);
create index ix_run_profile_proof on funnelproof.run_profile (proof_id);

create view funnelproof.present_profile as
select distinct on (version.run_id, version.from_stage_id, version.to_stage_id) version.*
from funnelproof.run_profile as version
order by version.run_id asc, version.from_stage_id asc, version.to_stage_id asc, version.proof_id desc;

-- The deals at one place of a profile: entered in one bucket, converted in another that is not before. An entry is
-- found where both are the same.
create function funnelproof.profile_deals(profile numeric, entered integer, converted integer) returns bigint
language sql immutable strict parallel safe
return substr(
    lpad(profile::text, 624, '0'),
    617 - 8 * ((converted - entered) * (25 - converted + entered) / 2 + entered),
    8
)::bigint;

-- The deals that entered a stage, by bucket of the entry.
create function funnelproof.profile_entered(profile numeric) returns bigint[]
language sql immutable strict parallel safe
return array(
    select funnelproof.profile_deals(profile, i.bucket, i.bucket)
    from generate_series(0, 11) as i (bucket)
    order by i.bucket
);

-- The deals that converted, by bucket of the entry, then by bucket of the conversion.
create function funnelproof.profile_converted(profile numeric) returns bigint[]
language sql immutable strict parallel safe
return array(
    select
        array(
            select
                case
                    when j.bucket < i.bucket then 0
                    else funnelproof.profile_deals(profile, i.bucket, j.bucket)
                end
            from generate_series(0, 11) as j (bucket)
            order by j.bucket
        )
    from generate_series(0, 11) as i (bucket)
    order by i.bucket
);
