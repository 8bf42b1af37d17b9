//! Where each topic stands (PROTOCOL §9): a position and a token per topic for everybody, a sequence per client.
//!
//! Unlike the reference server, a client's `seq` is its own: it starts at 0 with the client's scene and has no gaps, whoever else comes
//! or goes. The token is shared: it names how many changes of the epoch its holder has seen. A resume answers with a full snapshot.

use nc_protocol::handshake::ResumeState;
use nc_protocol::resume::DeltaToken;

/// A topic that has a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Scene,
    Layers,
    Stream,
}

/// The newest place of every topic.
#[derive(Debug, Clone)]
pub(crate) struct History {
    scene: DeltaToken,
    layers: DeltaToken,
    stream: DeltaToken,
}

impl History {
    /// An empty history. `epoch` names it and should be random.
    pub(crate) fn new(epoch: u64) -> Self {
        let start = DeltaToken { epoch, position: 0 };
        Self { scene: start, layers: start, stream: start }
    }

    /// Another dataset: every topic starts anew.
    pub(crate) fn reset(&mut self, epoch: u64) {
        *self = Self::new(epoch);
    }

    /// Counts a change that everybody is told.
    pub(crate) fn advance(&mut self, topic: Topic) {
        self.place_mut(topic).position += 1;
    }

    /// The token that names the topic's newest place.
    pub(crate) fn token(&self, topic: Topic) -> DeltaToken {
        match topic {
            Topic::Scene => self.scene,
            Topic::Layers => self.layers,
            Topic::Stream => self.stream,
        }
    }

    /// The topic's newest place as a welcome names it.
    pub(crate) fn state(&self, topic: Topic) -> ResumeState {
        let token = self.token(topic);
        // `notify.scene` has no sequence: it is 0 on every frame.
        let seq = if topic == Topic::Scene { 0 } else { token.position };
        ResumeState { seq, delta_token: token.to_string() }
    }

    fn place_mut(&mut self, topic: Topic) -> &mut DeltaToken {
        match topic {
            Topic::Scene => &mut self.scene,
            Topic::Layers => &mut self.layers,
            Topic::Stream => &mut self.stream,
        }
    }
}

/// The next `seq` of each topic for one client.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sequence {
    layers: u64,
    stream: u64,
}

impl Sequence {
    /// The `seq` of the client's next frame of `topic`. A scene starts the others anew.
    pub(crate) fn next(&mut self, topic: Topic) -> u64 {
        let counter = match topic {
            Topic::Scene => {
                *self = Self::default();
                return 0;
            }
            Topic::Layers => &mut self.layers,
            Topic::Stream => &mut self.stream,
        };
        *counter += 1;
        *counter - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_shared_and_sequences_are_not() {
        let mut history = History::new(7);
        let (mut old, mut new) = (Sequence::default(), Sequence::default());
        for expected in 0..3 {
            history.advance(Topic::Layers);
            assert_eq!(old.next(Topic::Layers), expected);
        }
        assert_eq!(history.token(Topic::Layers), DeltaToken { epoch: 7, position: 3 });
        assert_eq!(new.next(Topic::Layers), 0, "a newcomer starts at its own start");
        assert_eq!(history.state(Topic::Layers).seq, 3);
        assert_eq!(history.state(Topic::Stream).seq, 0);
        assert_eq!(history.state(Topic::Scene).seq, 0);
    }

    #[test]
    fn a_scene_starts_the_other_topics_anew() {
        let mut sequence = Sequence::default();
        sequence.next(Topic::Layers);
        sequence.next(Topic::Stream);
        assert_eq!(sequence.next(Topic::Scene), 0);
        assert_eq!((sequence.next(Topic::Layers), sequence.next(Topic::Stream)), (0, 0));
    }
}
