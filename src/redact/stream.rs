//! Events of a stream: what came in pieces is read as one.
//!
//! Which strings of which events belong together is told by their place in the event and the numbers beside it (`index`,
//! `output_index`, …), whatever the dialect. They are joined a second time by nothing but the member's name: a text that begins
//! in an event of another form than its deltas (Anthropic's `content_block_start`) is then one text too. Both joinings only
//! ever add places to be masked.

use std::ops::Range;

use super::tokens::{walk, Step, What};
use super::{edited, is_json, json_text, without_overlap, Found, Redactor};
use crate::sorted::{self, Map};

/// Members that tell apart what is written side by side.
const APART: [&str; 5] = ["index", "output_index", "content_index", "summary_index", "type"];

/// A string of an event.
struct Piece {
    event: usize,
    at: Range<usize>,
    text: String,
    found: Vec<Found>,
}

impl Redactor<'_> {
    /// Masks the data of a stream's events, in their order.
    pub fn events(&mut self, events: &mut [String]) {
        let mut edits: Vec<Vec<(Range<usize>, String)>> = vec![Vec::new(); events.len()];
        let mut pieces = Vec::new();
        let mut channels: Map<String, Vec<usize>> = Map::new();
        for (event, data) in events.iter_mut().enumerate() {
            if is_json(data) {
                let edits = edits.get_mut(event);
                edits.into_iter().for_each(|edits| self.read(event, data, edits, &mut pieces, &mut channels));
            } else {
                *data = self.body(data);
            }
        }
        for members in channels.values().filter(|members| members.len() > 1) {
            self.find_in_joined(members, &mut pieces);
        }
        for piece in pieces {
            let found = without_overlap(piece.found);
            if let (false, Some(list)) = (found.is_empty(), edits.get_mut(piece.event)) {
                list.push((piece.at, json_text(&self.masked(&piece.text, &found))));
            }
        }
        for (data, mut edits) in events.iter_mut().zip(edits).filter(|(_, edits)| !edits.is_empty()) {
            sorted::sort_by_key(&mut edits, |(at, _)| at.start);
            *data = edited(data, &edits);
        }
    }

    /// Takes an event apart: what is masked by itself, and the pieces that may belong to others.
    fn read(
        &mut self,
        event: usize,
        data: &str,
        edits: &mut Vec<(Range<usize>, String)>,
        pieces: &mut Vec<Piece>,
        channels: &mut Map<String, Vec<usize>>,
    ) {
        let (mut places, mut marks, settings) = (Vec::new(), Vec::new(), self.settings);
        walk(data, &settings.paths, &mut |token| {
            let source = data.get(token.at.clone()).unwrap_or_default();
            let place = names(token.path);
            if APART.contains(&token.name) && token.what != What::Name {
                marks.push((parent(&place).to_owned(), format!("{}={source}", token.name)));
            }
            if token.what != What::Text {
                edits.extend(self.value(source, token.what, token.name).map(|value| (token.at, value)));
                return;
            }
            let Ok(text) = crate::json::from_str::<String>(source) else { return };
            let found = self.find_in_member(token.name, &text);
            places.push((pieces.len(), place, token.name.to_owned()));
            pieces.push(Piece { event, at: token.at, text, found });
        });
        for (piece, place, name) in places {
            let beside = marks.iter().filter(|(at, _)| place.starts_with(at.as_str())).map(|(_, mark)| mark.as_str());
            let apart: Vec<&str> = beside.collect();
            channels.entry(format!("{place} {}", apart.join(" "))).or_default().push(piece);
            channels.entry(name).or_default().push(piece);
        }
    }

    fn find_in_joined(&self, members: &[usize], pieces: &mut [Piece]) {
        let texts: Vec<&str> = members.iter().filter_map(|at| Some(pieces.get(*at)?.text.as_str())).collect();
        // What is said again with every event, such as a model's name, is no text in pieces.
        if texts.windows(2).all(|pair| matches!(pair, [one, next] if one == next)) {
            return;
        }
        let found = self.find(&texts.concat());
        let mut from = 0;
        for piece in members {
            let Some(piece) = pieces.get_mut(*piece) else { continue };
            let all = from..from + piece.text.len();
            for place in found.iter().filter(|place| place.at.start < all.end && place.at.end > all.start) {
                let at = place.at.start.max(all.start) - all.start..place.at.end.min(all.end) - all.start;
                piece.found.push(Found { at, name: place.name.clone(), goes_on: place.at.start < all.start });
            }
            from = all.end;
        }
    }
}

/// A place by its members' names.
fn names(path: &[Step]) -> String {
    let mut place = String::new();
    for step in path {
        if let Step::Member(name) = step {
            place.push('.');
            place.push_str(name);
        }
    }
    place
}

fn parent(place: &str) -> &str {
    place.rsplit_once('.').map_or("", |(parent, _)| parent)
}
