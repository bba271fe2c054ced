//! Instructions for each kind of task, made from the phrases in `data/training`: `{a|b}` is one of several, `<slot>` a line
//! under `[<slot>]` of the same file (of `en.txt` where it has none).

use std::collections::BTreeMap;

/// Phrases of one language.
pub struct Phrases {
    sections: BTreeMap<String, Vec<String>>,
}

/// Numbers that look random and are the same for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

impl Phrases {
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut name = String::new();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with("# ")) {
            match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                Some(section) if !section.contains(' ') => name = section.to_owned(),
                _ => sections.entry(name.clone()).or_default().push(line.replace("\\n", "\n")),
            }
        }
        Self { sections }
    }

    /// Instructions for a kind of task.
    #[must_use]
    pub fn of(&self, task: &str) -> &[String] {
        self.sections.get(task).map_or(&[], Vec::as_slice)
    }

    /// A text from an instruction.
    pub fn make(&self, instruction: &str, fallback: &Self, random: &mut Random) -> String {
        let mut text = String::new();
        let mut rest = instruction;
        while let Some(at) = rest.find(['{', '<']) {
            let close = if rest.as_bytes()[at] == b'{' { '}' } else { '>' };
            let Some(end) = rest[at..].find(close).map(|end| at + end) else { break };
            text.push_str(&rest[..at]);
            let inside = &rest[at + 1..end];
            if close == '}' {
                // A choice may hold slots.
                let choices: Vec<&str> = inside.split('|').collect();
                let choice = choices[random.below(choices.len())];
                text.push_str(&self.make(choice, fallback, random));
            } else {
                let name = format!("<{inside}>");
                let own = self.sections.get(&name).or_else(|| fallback.sections.get(&name));
                match own {
                    Some(lines) => text.push_str(&lines[random.below(lines.len())]),
                    None => text.push_str(&name),
                }
            }
            rest = &rest[end + 1..];
        }
        text.push_str(rest);
        text
    }
}
