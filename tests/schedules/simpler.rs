//! Simpler schedules: what shrinking tries.

use super::schedule::{Call, Continues, Fault, Kept, Reader, Repeats, Schedule, Split};

impl Schedule {
    /// Simpler schedules, the boldest first; each is one step.
    pub fn simpler(&self) -> Vec<Self> {
        let mut list = Vec::new();
        let mut offer = |change: &dyn Fn(&mut Self)| {
            let mut other = self.clone();
            change(&mut other);
            if other != *self {
                list.push(other);
            }
        };
        offer(&|s| s.beside.clear());
        for at in 0..self.beside.len() {
            offer(&|s| drop(s.beside.remove(at)));
        }
        offer(&|s| s.kept = None);
        for at in (0..self.candidates.len()).filter(|_| self.candidates.len() > 1) {
            // Requests of one isolate have the same candidates.
            offer(&|s| {
                s.candidates.remove(at);
                s.beside.iter_mut().for_each(|(_, other)| drop(other.candidates.remove(at)));
            });
        }
        for at in 0..self.outages.len() {
            offer(&|s| {
                s.outages.remove(at);
            });
        }
        offer(&|s| s.continues = Continues::Off);
        offer(&|s| s.hedges = None);
        offer(&|s| s.deterministic = false);
        offer(&|s| s.holds_back = false);
        offer(&|s| s.json = false);
        offer(&|s| s.leaves = None);
        offer(&|s| s.reads_slowly = 0);
        offer(&|s| s.jumps.clear());
        offer(&|s| s.no_budget = false);
        offer(&|s| s.policy = 0);
        offer(&|s| s.explains = false);
        offer(&|s| s.asks_usage = false);
        offer(&|s| s.as_array = false);
        offer(&|s| s.noticed_late = false);
        offer(&|s| {
            s.tools = false;
            s.candidates.iter_mut().flat_map(|c| &mut c.calls).for_each(|call| call.answer.tools = 0);
        });
        if let Some(kept) = &self.kept {
            for simpler in kept.simpler() {
                offer(&|s| s.kept = Some(simpler.clone()));
            }
        }
        for (at, (after, other)) in self.beside.iter().enumerate() {
            for simpler in other.simpler().into_iter().filter(|s| s.names() == other.names()) {
                offer(&|s| s.beside[at].1 = simpler.clone());
            }
            offer(&|s| s.beside[at].0 = after / 2);
        }
        for (at, candidate) in self.candidates.iter().enumerate() {
            let mut named = |change: &dyn Fn(&mut super::schedule::Candidate)| {
                offer(&|s| {
                    change(&mut s.candidates[at]);
                    s.beside.iter_mut().for_each(|(_, other)| change(&mut other.candidates[at]));
                });
            };
            named(&|c| c.speaks = self.caller);
            named(&|c| c.window = None);
            named(&|c| c.priced = true);
            named(&|c| c.account = 0);
            for (nth, call_plan) in candidate.calls.iter().enumerate() {
                if candidate.calls.len() > 1 {
                    offer(&|s| {
                        s.candidates[at].calls.remove(nth);
                    });
                }
                let mut call = |change: &dyn Fn(&mut Call)| offer(&|s| change(&mut s.candidates[at].calls[nth]));
                call(&|c| c.fault = Fault::None);
                if call_plan.split != Split::Events {
                    call(&|c| c.split = Split::Events);
                }
                call(&|c| c.comments = false);
                call(&|c| c.crlf = false);
                call(&|c| (c.head_ms, c.pace_ms) = (20, 10));
                call(&|c| c.answer.thoughts = 0);
                call(&|c| c.answer.tools = 0);
                call(&|c| c.answer.words = c.answer.words.min(2));
                call(&|c| c.answer.cut_short = false);
                call(&|c| c.answer.counts = true);
                call(&|c| c.answer.ends_with_words = false);
                call(&|c| c.answer.unsound = false);
                call(&|c| c.answer.repeats = Repeats::Nothing);
            }
        }
        list
    }

    /// Who the candidates are, whatever they do.
    fn names(&self) -> Vec<String> {
        self.candidates.iter().enumerate().map(|(at, c)| super::gateway::name(c, at)).collect()
    }
}

impl Kept {
    fn simpler(&self) -> Vec<Self> {
        let mut list = vec![Self { killed: None, ..self.clone() }, Self { cancelled: None, ..self.clone() }];
        for at in 0..self.readers.len() {
            let mut with = |change: &dyn Fn(&mut Reader)| {
                let mut other = self.clone();
                change(&mut other.readers[at]);
                list.push(other);
            };
            with(&|r| r.cuts.clear());
            with(&|r| r.cuts.truncate(r.cuts.len().saturating_sub(1)));
            with(&|r| (r.away, r.slow) = (0, 0));
            with(&|r| (r.comes, r.from) = (0, 0));
            if at > 0 {
                let mut other = self.clone();
                other.readers.remove(at);
                list.insert(0, other);
            }
        }
        list
    }
}
