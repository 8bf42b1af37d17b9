//! Intents in any words, against a real ledger: nothing panics, nothing unsound is committed, and every answer can go on the wire.
#![no_main]

#[path = "../programs/intent.rs"]
mod program;

use libfuzzer_sys::fuzz_target;
use nc_protocol::notify::{Camera, CameraMode};
use nc_protocol::update::{AckError, StateAck};
use nc_protocol::{Head, Kind, validate};
use program::Answer;
use serde_json::Value;

fuzz_target!(|text: &str| program::run(text, wire));

/// Writes the frames that the answer causes at once, and has them judged.
fn wire(answer: &Answer) {
    let names = || ("intent-00000001".to_owned(), "state-00000001".to_owned());
    let (intent_id, frame_id) = names();
    let ack = match answer {
        Ok(reduced) => StateAck::accepted(intent_id, frame_id, reduced.applied_value.clone(), 1),
        Err(refused) => {
            let details = Some(refused.details.clone()).filter(Value::is_object);
            let error = AckError { code: refused.code.to_owned(), message: refused.message.clone(), details };
            StateAck::rejected(intent_id, frame_id, error)
        }
    };
    judge(Head::new(Kind::UpdateAck, 1.0).session("s").frame_id("ack"), &ack);
    let Ok(reduced) = answer else { return };
    let Some((mode, _)) = reduced.echo else { return };
    let mode: CameraMode = serde_json::from_value(mode.into()).unwrap_or_else(|error| panic!("{mode}: {error}"));
    let delta = reduced.applied_value.as_object().cloned();
    let echo = Camera { mode, origin: Camera::ECHO.to_owned(), delta, state: None };
    judge(Head::new(Kind::Camera, 1.0).session("s").intent_id("intent-00000001"), &echo);
}

fn judge(head: Head<'_>, payload: &impl serde::Serialize) {
    let frame = head.frame(payload).expect("payloads are JSON");
    assert_eq!(validate::outgoing(&frame), Ok(()), "{frame}");
}
