use super::{at, bed, moves, nights, region, within};

#[test]
fn a_window_that_moves_touches_those_alone_whose_window_it_is() {
    let mut bed = bed("2026-07-01T12:00Z", &[]);
    let mut noon = nights();
    noon.agents = pinion_model::LabelSelector(region("us"));
    noon.start = "14:05".parse().expect("a time");
    for (n, name) in ["eu", "us", "ap"].into_iter().enumerate() {
        bed.enrol_with(&format!("m{n}"), true, region(name));
    }
    let id = bed.roll_out(3, within(vec![nights(), noon], vec![]));
    bed.plan();
    let members = &bed.world.index.calendars.members;
    let openings = bed.rollout(&id).openings;
    let next = bed
        .rollout(&id)
        .spec
        .calendar
        .state(at("2026-07-01T12:05Z"));
    let moved = members.of_rollout(&id, |group| openings.is_open(group) != next.is_open(group));
    let moved: Vec<_> = moved.map(|(_, agent)| agent.to_string()).collect();
    assert_eq!(moved, ["m1"]);
    bed.now = at("2026-07-01T12:05Z");
    bed.plan();
    assert_eq!(
        (moves(&bed), bed.counts(&id, 0).in_flight),
        (1, 2),
        "ap and us"
    );
}
