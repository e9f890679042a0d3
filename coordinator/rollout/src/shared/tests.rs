use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Map, Places, Set};

#[derive(Debug, Clone)]
enum Step {
    Insert(u16, u8),
    Remove(u16),
    Write(u16),
    /// From then on a clone looks at all that is there.
    Clone,
    /// Takes out every number from here to there.
    Clear(u16, u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0u16..2_000;
    let step = prop_oneof![
        8 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
        4 => key.clone().prop_map(Step::Remove),
        3 => key.clone().prop_map(Step::Write),
        1 => Just(Step::Clone),
        1 => (key.clone(), key).prop_map(|(from, to)| Step::Clear(from, to)),
    ];
    prop::collection::vec(step, 0..600)
}

fn take(map: &mut Map<u16, u8>, model: &mut BTreeMap<u16, u8>, step: &Step) {
    match *step {
        Step::Insert(key, value) => {
            assert_eq!(map.insert(key, value), model.insert(key, value));
        }
        Step::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key)),
        Step::Write(key) => {
            if let Some(value) = map.get_mut(&key) {
                *value = value.wrapping_add(1);
            }
            if let Some(value) = model.get_mut(&key) {
                *value = value.wrapping_add(1);
            }
        }
        Step::Clear(from, to) => {
            map.retain(|key, _| *key < from || *key >= to);
            model.retain(|key, _| *key < from || *key >= to);
        }
        Step::Clone => {}
    }
}

proptest! {
    #[test]
    fn a_map_does_what_an_ordered_map_does_and_a_clone_of_it_stays_as_it_was(
        begin in 0u16..1_500,
        steps in steps(),
    ) {
        let mut map: Map<u16, u8> = (0..begin).map(|key| (key, 7)).collect();
        let mut model: BTreeMap<u16, u8> = (0..begin).map(|key| (key, 7)).collect();
        let mut clones = Vec::new();
        for step in &steps {
            take(&mut map, &mut model, step);
            prop_assert_eq!(map.len(), model.len());
            if matches!(step, Step::Clone) {
                clones.push((map.clone(), model.clone()));
            }
        }
        clones.push((map, model));
        for (map, model) in &clones {
            prop_assert!(map.after::<u16>(None).eq(model.iter()));
            prop_assert!(map.keys().all(|key| map.get(key) == model.get(key)));
            for from in [0u16, 1, 500, 1_999] {
                prop_assert!(map.after(Some(&from)).eq(model.range(from + 1..)));
            }
            let rebuilt: Map<u16, u8> = model.iter().map(|(key, value)| (*key, *value)).collect();
            prop_assert_eq!(map, &rebuilt);
        }
    }

    #[test]
    fn a_map_is_read_as_it_is_written(model: BTreeMap<String, u8>) {
        let map: Map<String, u8> = model.clone().into_iter().collect();
        let written = serde_json::to_string(&map).expect("written");
        prop_assert_eq!(&written, &serde_json::to_string(&model).expect("written"));
        prop_assert_eq!(serde_json::from_str::<Map<String, u8>>(&written).expect("read"), map);
    }

    #[test]
    fn a_set_does_what_an_ordered_set_does(
        keys: Vec<(bool, u8)>,
    ) {
        let (mut set, mut model) = (Set::default(), BTreeSet::new());
        for (put, key) in &keys {
            if *put {
                prop_assert_eq!(set.insert(*key), model.insert(*key));
            } else {
                prop_assert_eq!(set.remove(key), model.remove(key));
            }
            prop_assert_eq!(set.first(), model.first());
        }
        prop_assert!(set.iter().eq(model.iter()));
        let written = serde_json::to_string(&set).expect("written");
        prop_assert_eq!(serde_json::from_str::<Set<u8>>(&written).expect("read"), set);
    }

    #[test]
    fn places_are_a_set_of_numbers(
        steps: Vec<(bool, u16)>,
        others: BTreeSet<u16>,
    ) {
        let mut places = Places::default();
        let mut model = BTreeSet::new();
        for (put, place) in &steps {
            let (place, before) = (u32::from(*place), places.clone());
            if *put {
                places.insert(place);
                model.insert(place);
            } else {
                places.remove(place);
                model.remove(&place);
            }
            prop_assert_eq!(before == places, before.contains(place) == *put);
        }
        let others: BTreeSet<u32> = others.into_iter().map(u32::from).collect();
        let mut other = Places::default();
        others.iter().for_each(|place| other.insert(*place));
        prop_assert_eq!(places.len(), model.len());
        prop_assert!(places.iter().eq(model.iter().copied()));
        prop_assert!(places.without(&other).eq(model.difference(&others).copied()));
        prop_assert_eq!(places.count_with(&other), model.intersection(&others).count());
        model.iter().for_each(|place| places.remove(*place));
        prop_assert_eq!(places, Places::default());
    }
}
