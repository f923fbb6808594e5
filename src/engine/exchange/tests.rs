use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use proptest::prelude::*;

use super::*;

/// A member, and how often it was woken.
fn join(name: &str) -> (Member, Arc<AtomicUsize>) {
    let woken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&woken);
    let wake = move || {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    (Member::new(name, Box::new(wake)), woken)
}

fn take_all(member: &Member) -> Vec<(u32, Vec<u8>)> {
    let mut all = Vec::new();
    assert!(!member.take(usize::MAX, |Message { number, payload }| {
        all.push((number, payload.to_vec()));
    }));
    all
}

fn topics_of(member: &Member) -> usize {
    lock(&member.group.topics).len()
}

#[test]
fn carries_to_all_others_that_want_it_and_wakes_them_once() {
    let (near, near_woken) = join("carries");
    let (far, far_woken) = join("carries");
    let (other, other_woken) = join("carries, too");
    for member in [&near, &far, &other] {
        member.subscribe("news", 7);
    }
    assert_eq!(near.publish("news", b"a"), 1);
    assert_eq!(near.publish("news", b"b"), 1);
    assert_eq!(near.publish("weather", b"c"), 0);
    assert_eq!(take_all(&far), [(7, b"a".to_vec()), (7, b"b".to_vec())]);
    assert_eq!(near.publish("news", b"d"), 1);
    let counts = [near_woken, far_woken, other_woken].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(counts, [0, 2, 0]);
    assert_eq!((take_all(&near), take_all(&other)), (vec![], vec![]));
}

#[test]
fn holds_once_what_many_get() {
    let members = [(); 3].map(|()| join("holds").0);
    for member in &members[1..] {
        member.subscribe("news", 0);
    }
    members[0].publish("news", &[1; 100]);
    let mut places = BTreeSet::new();
    let mut payloads = Vec::new();
    for member in &members {
        member.take(usize::MAX, |message| {
            places.insert(message.payload.as_ptr().addr());
            payloads.push(message.payload);
        });
    }
    assert_eq!((payloads.len(), places.len()), (2, 1));
}

#[test]
fn gives_a_part_of_what_is_a_lot() {
    let (near, _) = join("part");
    let (far, woken) = join("part");
    far.subscribe("news", 1);
    for _ in 0..10 {
        near.publish("news", &[0; 100]);
    }
    near.publish("news", b"");
    let mut counts = Vec::new();
    loop {
        let mut count = 0;
        let has_more = far.take(250, |_| count += 1);
        counts.push(count);
        if !has_more {
            break;
        }
    }
    assert_eq!(counts, [3, 3, 3, 2]);
    assert_eq!(woken.load(Ordering::Relaxed), 1);
}

#[test]
fn leaves_nothing_behind() {
    let (stays, _) = join("leaves");
    stays.subscribe("a", 0);
    let (goes, _) = join("leaves");
    for topic in ["a", "b", "c"] {
        goes.subscribe(topic, 1);
    }
    assert_eq!(topics_of(&stays), 3);
    drop(goes);
    assert_eq!(topics_of(&stays), 1);
    assert_eq!(stays.publish("b", b"x"), 0);
    stays.unsubscribe("a");
    stays.unsubscribe("never");
    assert_eq!(topics_of(&stays), 0);
    drop(stays);
    assert!(!lock(&GROUPS).contains_key("leaves"));
}

#[test]
fn keeps_the_order_of_each_thread_that_publishes() {
    const COUNT: u32 = 1000;
    let (reader, _) = join("order");
    reader.subscribe("news", 0);
    thread::scope(|scope| {
        for writer in 0..3_u8 {
            scope.spawn(move || {
                let (member, _) = join("order");
                for index in 0..COUNT {
                    let mut payload = vec![writer];
                    payload.extend(index.to_le_bytes());
                    assert_eq!(member.publish("news", &payload), 1);
                }
            });
        }
        let mut next = [0; 3];
        while next != [COUNT; 3] {
            reader.take(64, |message| {
                let [writer, index @ ..] = &message.payload[..] else { panic!() };
                let expected = &mut next[usize::from(*writer)];
                assert_eq!(index, expected.to_le_bytes());
                *expected += 1;
            });
        }
    });
}

/// What members do, by their numbers and those of topics.
#[derive(Clone, Debug)]
enum Step {
    Subscribe(usize, u32),
    Unsubscribe(usize, u32),
    Publish(usize, u32),
    Take(usize),
    Replace(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let member = 0..4_usize;
    let topic = 0..3_u32;
    let step = prop_oneof![
        3 => (member.clone(), topic.clone()).prop_map(|(it, topic)| Step::Subscribe(it, topic)),
        2 => (member.clone(), topic.clone()).prop_map(|(it, topic)| Step::Unsubscribe(it, topic)),
        6 => (member.clone(), topic).prop_map(|(it, topic)| Step::Publish(it, topic)),
        1 => member.clone().prop_map(Step::Take),
        1 => member.prop_map(Step::Replace),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn does_as_a_list_for_each_member_would(steps in steps()) {
        let mut members = [(); 4].map(|()| join("model").0);
        let mut wanted = [(); 4].map(|()| BTreeSet::new());
        let mut expected = [(); 4].map(|()| Vec::new());
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                Step::Subscribe(it, topic) => {
                    members[it].subscribe(&topic.to_string(), topic);
                    wanted[it].insert(topic);
                }
                Step::Unsubscribe(it, topic) => {
                    members[it].unsubscribe(&topic.to_string());
                    wanted[it].remove(&topic);
                }
                Step::Publish(it, topic) => {
                    let payload = index.to_string().into_bytes();
                    let others = (0..4).filter(|&other| other != it);
                    let receivers: Vec<_> =
                        others.filter(|&other| wanted[other].contains(&topic)).collect();
                    let count = members[it].publish(&topic.to_string(), &payload);
                    prop_assert_eq!(count, receivers.len());
                    for other in receivers {
                        expected[other].push((topic, payload.clone()));
                    }
                }
                Step::Take(it) => {
                    prop_assert_eq!(take_all(&members[it]), std::mem::take(&mut expected[it]));
                }
                Step::Replace(it) => {
                    members[it] = join("model").0;
                    wanted[it].clear();
                    expected[it].clear();
                }
            }
        }
        let topics: BTreeSet<_> = wanted.iter().flatten().collect();
        prop_assert_eq!(topics_of(&members[0]), topics.len());
    }
}
