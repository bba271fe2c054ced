//! The schedule of a seed.

use signalbox::dialect::Dialect;

use super::gateway::{ACCOUNTS, HEDGES, POLICIES};
use super::random::Random;
use super::refusals::{EVENT_ERRORS, REFUSALS};
use super::schedule::{
    Answer, Call, Candidate, Continues, Fault, Jump, Kept, Outage, Reader, Repeats, Schedule, Split, DIALECTS,
};

/// Dialects in which a document can be asked for.
const DOCUMENTS: [Dialect; 3] = [Dialect::OpenAiChat, Dialect::Gemini, Dialect::OpenAiResponses];

impl Schedule {
    /// The schedule of a seed.
    pub fn draw(seed: u64) -> Self {
        let random = &mut Random(seed);
        let mut schedule = Self::draw_one(random);
        if random.chance(8) {
            schedule.draw_beside(random);
        } else if schedule.stream && random.chance(12) {
            schedule.kept = Some(Kept::draw(random));
            schedule.leaves = None;
            // One call is under way when the runtime is killed.
            schedule.hedges = None;
        }
        schedule
    }

    fn draw_one(random: &mut Random) -> Self {
        let tools = random.chance(15);
        let holds_back = random.chance(if tools { 40 } else { 8 });
        // Anthropic's dialect has no word for a document of any form.
        let json = !tools && random.chance(if holds_back { 80 } else { 3 });
        let dialects = if json { &DOCUMENTS[..] } else { &DIALECTS[..] };
        let caller = random.one_of(dialects);
        let continues = random.one_of(&[
            Continues::Off,
            Continues::Off,
            Continues::Auto,
            Continues::Auto,
            Continues::Restart,
            Continues::Prefill,
        ]);
        let native = random.chance(50);
        let count = random.one_of(&[1, 2, 2, 2, 3, 3, 4]);
        let breaks = continues != Continues::Off && !tools && !json;
        let drawn = Drawn { tools, unsound: holds_back, breaks, trouble: random.one_of(&[20, 50, 75, 90]) };
        let mut candidates: Vec<Candidate> = Vec::with_capacity(count);
        for _ in 0..count {
            let speaks = if native && random.chance(70) { caller } else { random.one_of(dialects) };
            candidates.push(Candidate::draw(random, speaks, &drawn));
        }
        let one_voice = continues != Continues::Off && random.chance(70);
        give_voices(&mut candidates, one_voice);
        Self {
            seed: random.next(),
            caller,
            stream: random.chance(75),
            asks_usage: random.chance(50),
            explains: random.chance(15),
            as_array: random.chance(20),
            tools,
            json,
            holds_back,
            deterministic: continues != Continues::Off && random.chance(30),
            continues,
            // Which of two calls was first with what is held back nobody sees from outside.
            hedges: (count > 1 && !holds_back && random.chance(20)).then(|| random.one_of(&HEDGES)),
            candidates,
            leaves: random.chance(12).then(|| random.one_of(&[10, 25, 60, 200, 3_000, 20_000]) + random.below(50)),
            noticed_late: random.chance(20),
            reads_slowly: if random.chance(15) { random.one_of(&[1, 30, 400, 20_000]) } else { 0 },
            jumps: if random.chance(10) { jumps(random) } else { Vec::new() },
            no_budget: random.chance(10),
            policy: random.below(POLICIES.len() as u64) as usize,
            kept: None,
            beside: Vec::new(),
            outages: Vec::new(),
        }
    }

    /// More requests in the same isolate, to the same candidates.
    fn draw_beside(&mut self, random: &mut Random) {
        self.jumps.clear();
        self.no_budget = false;
        let spread = random.one_of(&[0, 30, 500, 4_000, 15_000]);
        for _ in 0..random.one_of(&[1, 1, 2, 4, 9]) {
            let mut other = Self::draw_one(random);
            let drawn = Drawn { tools: other.tools, unsound: other.holds_back, breaks: false, trouble: 50 };
            let speaks_json = |c: &Candidate| DOCUMENTS.contains(&c.speaks);
            other.json &= DOCUMENTS.contains(&other.caller) && self.candidates.iter().all(speaks_json);
            let mut candidates = self.candidates.clone();
            for candidate in &mut candidates {
                candidate.calls = (0..2).map(|_| Call::draw(random, &drawn)).collect();
            }
            give_voices(&mut candidates, false);
            let rest = Self { jumps: Vec::new(), no_budget: false, candidates, ..other };
            self.beside.push((random.below(spread + 1), rest));
        }
        for candidate in &self.candidates {
            if random.chance(35) {
                let from = random.below(spread + 1);
                let during = (from, from + random.one_of(&[50, 1_000, 10_000]));
                let fault = random.one_of(&[Fault::Refuses(17), Fault::Refuses(8), Fault::NoConnection, Fault::Html]);
                self.outages.push(Outage { speaks: candidate.speaks, account: candidate.account, during, fault });
            }
        }
    }
}

/// What all calls of a request have in common.
struct Drawn {
    tools: bool,
    unsound: bool,
    /// Answers are long and break in their midst.
    breaks: bool,
    trouble: u64,
}

/// Voices tell the calls apart, or make them agree.
fn give_voices(candidates: &mut [Candidate], one: bool) {
    for (at, call) in candidates.iter_mut().flat_map(|c| &mut c.calls).enumerate() {
        call.answer.voice = if one { 0 } else { at as u8 };
    }
}

impl Kept {
    fn draw(random: &mut Random) -> Self {
        let end = |random: &mut Random, percent| {
            random.chance(percent).then(|| random.one_of(&[5, 40, 100, 400, 12_000]) + random.below(60))
        };
        let mut readers = vec![Reader { cuts: Reader::draw_cuts(random), ..Reader::PLAIN }];
        for _ in 0..random.below(3) {
            readers.push(Reader {
                comes: random.one_of(&[0, 10, 45, 120, 3_000, 700_000]),
                from: random.one_of(&[0, 0, 1, 2, 3, 5, 12]),
                cuts: Reader::draw_cuts(random),
                ..Reader::PLAIN
            });
        }
        for reader in &mut readers {
            reader.away = random.one_of(&[0, 1, 30, 2_000]);
            reader.slow = random.one_of(&[0, 0, 0, 1, 60, 5_000]);
        }
        let killed = end(random, 20);
        Self { readers, killed, cancelled: if killed.is_none() { end(random, 12) } else { None } }
    }
}

impl Reader {
    fn draw_cuts(random: &mut Random) -> Vec<usize> {
        (0..random.below(4)).map(|_| random.below(1_500) as usize).collect()
    }
}

impl Candidate {
    fn draw(random: &mut Random, speaks: Dialect, drawn: &Drawn) -> Self {
        let calls = (0..3).map(|_| Call::draw(random, drawn)).collect();
        let window = random.one_of(&[None, None, Some(8), Some(32)]);
        Self { speaks, account: random.below(ACCOUNTS as u64) as usize, window, priced: random.chance(80), calls }
    }
}

impl Call {
    fn draw(random: &mut Random, drawn: &Drawn) -> Self {
        let tools = drawn.tools;
        let answer = Answer {
            voice: 0,
            thoughts: if random.chance(20) { random.below(3) as u8 } else { 0 },
            words: if drawn.breaks && random.chance(10) { 40 } else { random.one_of(&[0, 1, 2, 3, 5, 9]) },
            tools: if tools { random.below(3) as u8 } else { 0 },
            cut_short: random.chance(15),
            counts: random.chance(85),
            ends_with_words: random.chance(50),
            unsound: drawn.unsound && random.chance(25),
            repeats: random.one_of(&[Repeats::Nothing, Repeats::Nothing, Repeats::All, Repeats::End]),
        };
        let split = match random.below(6) {
            0..=2 => Split::Events,
            3 => Split::Whole,
            4 => Split::Bytes(random.one_of(&[1, 7, 100])),
            _ => Split::Random(random.next()),
        };
        Self {
            answer,
            fault: match random.chance(drawn.trouble) {
                true if drawn.breaks && random.chance(60) => Fault::draw_break(random),
                true => Fault::draw(random),
                false => Fault::None,
            },
            // Nothing comes at the very instant at which it is asked for.
            head_ms: random.one_of(&[1, 5, 20, 300]),
            pace_ms: random.one_of(&[0, 1, 10, 20, 20, 250, 2_500]),
            split,
            comments: random.chance(10),
            crlf: random.chance(15),
        }
    }
}

impl Fault {
    fn draw_break(random: &mut Random) -> Self {
        let at = 250 + random.below(700) as usize;
        match random.below(4) {
            0 => Self::Stalls(at),
            1 => Self::ErrorEvent { at, row: random.below(EVENT_ERRORS.len() as u64) as usize },
            _ => Self::Cuts { at, clean: random.chance(40) },
        }
    }

    fn draw(random: &mut Random) -> Self {
        let share = random.below(1_000) as usize;
        match random.below(25) {
            0..=6 => Self::Refuses(random.below(REFUSALS.len() as u64) as usize),
            7 => Self::NoConnection,
            8 => Self::NoHeaders,
            9 => Self::LateContent(random.one_of(&[100, 900, 9_000, 16_000, 700_000])),
            10 | 11 => Self::Stalls(share),
            12..=15 => Self::Cuts { at: share, clean: random.chance(40) },
            16 => Self::Garbage { at: share, instead: random.chance(50) },
            17 | 18 => Self::ErrorEvent { at: share, row: random.below(EVENT_ERRORS.len() as u64) as usize },
            19 => Self::ErrorBody(random.below(EVENT_ERRORS.len() as u64) as usize),
            20 => Self::Html,
            21 => Self::NoTerminator,
            22 => Self::StaysOpen,
            23 => Self::FailedTurn,
            _ => Self::OtherForm,
        }
    }
}

fn jumps(random: &mut Random) -> Vec<(u32, Jump)> {
    let mut jump = || {
        if random.chance(40) {
            Jump::Pause(random.one_of(&[40, 900, 5_000, 60_000]))
        } else {
            Jump::Step(random.one_of(&[40, 900, 5_000, 60_000, -30, -900, -2_000, -60_000]))
        }
    };
    let list: Vec<Jump> = std::iter::repeat_with(&mut jump).take(2).collect();
    list.into_iter().take(1 + random.below(2) as usize).map(|jump| (random.below(12) as u32, jump)).collect()
}
