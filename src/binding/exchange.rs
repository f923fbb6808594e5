//! What the threads of a process publish to each other, for JavaScript.

use napi::Status;
use napi::bindgen_prelude::{Buffer, BufferSlice, External, Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::engine::exchange::{Member, topic_count};

/// Bytes of messages that are taken at once, unless the last of them is longer.
const MAX_TAKEN: usize = 256 * 1024;

/// Wakes a thread; it does not keep that alive.
type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// What a thread has of the exchange, until it leaves.
pub struct ThreadMember(Option<Member>);

/// Joins the members of a name, on this thread and others. `wake` is called when there is something
/// to take, and not again before all was taken.
#[napi(catch_unwind)]
pub fn join_threads(name: String, wake: Function<'_, (), ()>) -> Result<External<ThreadMember>> {
    let wake: Wake = wake.build_threadsafe_function().weak::<true>().build()?;
    // A thread that ends takes nothing, whatever this says.
    let wake = move || {
        let _ = wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
    };
    Ok(External::new(ThreadMember(Some(Member::new(&name, Box::new(wake))))))
}

/// Leaves: nothing can be taken any more.
#[napi(catch_unwind)]
pub fn leave_threads(member: &mut External<ThreadMember>) {
    member.0 = None;
}

/// Subscribes to a topic, whose messages then bear this number.
#[napi(catch_unwind)]
pub fn subscribe_thread(member: &External<ThreadMember>, topic: String, number: u32) {
    if let Some(member) = &member.0 {
        member.subscribe(&topic, number);
    }
}

/// Ends a subscription. What was published before may still be taken.
#[napi(catch_unwind)]
pub fn unsubscribe_thread(member: &External<ThreadMember>, topic: String) {
    if let Some(member) = &member.0 {
        member.unsubscribe(&topic);
    }
}

/// Publishes to the other members; returns how many have subscribed.
#[napi(catch_unwind)]
pub fn publish_to_threads(
    member: &External<ThreadMember>,
    topic: String,
    payload: BufferSlice<'_>,
) -> u32 {
    member.0.as_ref().map_or(0, |member| member.publish(&topic, &payload) as u32)
}

/// Takes messages: first a byte, whether there are more; for each then the number of its topic, in
/// 32 bits, its length, in 64, and its bytes. The integers are little-endian.
#[napi(catch_unwind)]
pub fn take_from_threads(member: &External<ThreadMember>) -> Buffer {
    let mut bytes = vec![0];
    let has_more = member.0.as_ref().is_some_and(|member| {
        member.take(MAX_TAKEN, |message| {
            bytes.extend(message.number.to_le_bytes());
            bytes.extend((message.payload.len() as u64).to_le_bytes());
            bytes.extend(&message.payload);
        })
    });
    bytes[0] = u8::from(has_more);
    bytes.into()
}

/// How many topics of all threads there are.
#[napi(catch_unwind)]
pub fn thread_topics() -> u32 {
    topic_count() as u32
}
