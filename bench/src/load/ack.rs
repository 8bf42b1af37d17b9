//! How long an ack takes while the renderer and the encoder are busy: one client pans at 60/s with its pictures, another, without
//! pictures, changes things at 50/s; both time every ack.

use super::mix::Mix;
use crate::distribution::Distribution;
use crate::machine;
use crate::peer::{Came, Peer};
use crate::server::Server;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PAN_PERIOD: Duration = Duration::from_nanos(16_666_667);
const MIX_PERIOD: Duration = Duration::from_millis(20);
/// After this time without anything the server has answered all there was.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs for `span`.
pub async fn run(server: &Server, span: Duration) -> Result<Value> {
    let (mut driver, mut changer) = (Peer::connect(server.http, &[], true).await?, Peer::connect(server.http, &[], false).await?);
    let (used, start) = (machine::cpu_time(server.pid())?, Instant::now());
    let mix = super::crowd::mix_of(&changer, 1);
    let (panned, changed) = tokio::try_join!(pan(&mut driver, span), change(&mut changer, mix, span))?;
    let busy = (machine::cpu_time(server.pid())? - used).as_secs_f64() / start.elapsed().as_secs_f64();
    let packets = panned.packets as f64 / span.as_secs_f64();
    Ok(json!({"seconds": span.as_secs(), "pans": panned.acks.to_json(), "changes": changed.acks.to_json(),
        "all": panned.acks.iter().chain(changed.acks.iter()).collect::<Distribution>().to_json(),
        "refused": panned.refused + changed.refused, "packets_per_s": crate::distribution::rounded(packets),
        "server_cores_used": crate::distribution::rounded(busy)}))
}

#[derive(Default)]
struct Answers {
    acks: Distribution,
    refused: usize,
    packets: usize,
}

impl Answers {
    fn take(&mut self, came: &Came) {
        match came {
            Came::Answer(answer) => {
                self.acks.push(answer.received - answer.sent);
                self.refused += usize::from(answer.outcome.is_err());
            }
            Came::Packet(_) => self.packets += 1,
            Came::Told(_) => {}
        }
    }

    async fn until(&mut self, peer: &mut Peer, deadline: Instant) -> Result<()> {
        while let Some((_, came)) = peer.next(deadline).await? {
            self.take(&came);
        }
        Ok(())
    }

    async fn rest(&mut self, peer: &mut Peer) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while peer.client().unanswered() > 0 {
            ensure!(Instant::now() < deadline, "{} intents were not answered", peer.client().unanswered());
            self.until(peer, Instant::now() + MIX_PERIOD).await?;
        }
        Ok(())
    }
}

async fn pan(peer: &mut Peer, span: Duration) -> Result<Answers> {
    let (mut answers, start) = (Answers::default(), Instant::now());
    for turn in 0u32.. {
        let due = start + PAN_PERIOD * turn;
        if due >= start + span {
            break;
        }
        answers.until(peer, due).await?;
        let (dy, dx) = (std::f64::consts::TAU * f64::from(turn) / 120.0).sin_cos();
        peer.send("camera", "main", "pan", json!({"dx_px": 8.0 * dx, "dy_px": 8.0 * dy})).await?;
    }
    answers.rest(peer).await?;
    Ok(answers)
}

async fn change(peer: &mut Peer, mut mix: Mix, span: Duration) -> Result<Answers> {
    let (mut answers, start) = (Answers::default(), Instant::now());
    for turn in 0u32.. {
        let due = start + MIX_PERIOD * turn;
        if due >= start + span {
            break;
        }
        answers.until(peer, due).await?;
        let (scope, target, key, value) = mix.draw();
        peer.send(scope, &target, key, value).await?;
    }
    answers.rest(peer).await?;
    Ok(answers)
}
