-- Numbers that change with the stages, the pairs of stages, and the labels.
select
    (
        select coalesce(sum(hashtextextended(stage::text, 0)), 0)
        from funnelproof.pipeline_stage as stage
    ) as stages,
    (
        select coalesce(sum(hashtextextended(pair::text, 0)), 0)
        from funnelproof.stage_pair as pair
    ) as pairs,
    (
        select coalesce(sum(hashtextextended(label::text, 0)), 0)
        from funnelproof.label
    ) as labels
