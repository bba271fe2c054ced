//! How much a request may hold: nesting, and the lists that cost whoever reads them. One pass over the text, beside which no
//! tree is built; strings, which most of a request is, are skipped as a whole.

use memchr::memchr2;

/// Most that a request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Levels of nesting, the object itself included.
    pub depth: usize,
    /// Messages, contents or items of input.
    pub messages: usize,
    /// Tools.
    pub tools: usize,
    /// Images and other media, at any level.
    pub media: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { depth: 64, messages: 2_000, tools: 256, media: 1_000 }
    }
}

/// Whether a text nests deeper than `depth`. A tree is built by recursion, which costs whoever is deep in a call its stack.
#[must_use]
pub fn is_deeper(text: &str, depth: usize) -> bool {
    let bounds = Bounds { depth, messages: usize::MAX, tools: usize::MAX, media: usize::MAX };
    bounds.check(text.as_bytes()).is_err()
}

/// What a request has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// The member, or empty for nesting.
    pub member: &'static str,
    /// The bound.
    pub most: usize,
}

/// Members of the request whose items are counted.
const LISTS: [&str; 4] = ["messages", "contents", "input", "tools"];
/// Members that hold an image or another medium, in every dialect (Chat Completions and Responses; Anthropic; Gemini).
const MEDIA: [&str; 6] = ["image_url", "input_audio", "media_type", "inlineData", "inline_data", "fileData"];

impl Bounds {
    /// Whether a text keeps within them. What is no JSON is left to its reader.
    ///
    /// # Errors
    /// The first that it does not.
    pub fn check(&self, text: &[u8]) -> Result<(), Excess> {
        let (mut depth, mut media, mut at) = (0_usize, 0_usize, 0_usize);
        // The list at the top level that is being counted: its name, its bound, its items so far.
        let mut list: Option<(&'static str, usize, usize)> = None;
        let mut named: Option<&'static str> = None;
        while let Some(byte) = text.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    let end = end_of_string(text, at);
                    if let Some(name) = text.get(at..end).filter(|_| is_name(text, end + 1)) {
                        if depth == 1 {
                            named = LISTS.into_iter().find(|list| list.as_bytes() == name);
                        }
                        if MEDIA.iter().any(|member| member.as_bytes() == name) {
                            media += 1;
                            if media > self.media {
                                return Err(Excess { member: "images", most: self.media });
                            }
                        }
                    }
                    at = end + 1;
                }
                b'{' | b'[' => {
                    depth += 1;
                    if depth > self.depth {
                        return Err(Excess { member: "", most: self.depth });
                    }
                    if let (2, b'[', Some(name)) = (depth, byte, named.take()) {
                        let most = if name == "tools" { self.tools } else { self.messages };
                        list = Some((name, most, 1));
                    }
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if depth < 2 {
                        list = None;
                    }
                }
                b',' if depth == 2 => {
                    if let Some((name, most, items)) = &mut list {
                        *items += 1;
                        if items > most {
                            return Err(Excess { member: name, most: *most });
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Where the string that begins at `at` ends: the place of its quotation mark.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        match memchr2(b'"', b'\\', rest) {
            None => return text.len(),
            Some(found) if rest.get(found) == Some(&b'"') => return at + found,
            Some(found) => at += found + 2,
        }
    }
}

/// Whether a colon comes next.
fn is_name(text: &[u8], at: usize) -> bool {
    text.get(at..).unwrap_or_default().iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Bounds = Bounds { depth: 4, messages: 3, tools: 2, media: 2 };

    fn excess(text: &str) -> Option<(&'static str, usize)> {
        SMALL.check(text.as_bytes()).err().map(|excess| (excess.member, excess.most))
    }

    #[test]
    fn what_is_within_bounds_passes_whatever_its_strings_hold() {
        for text in [
            "",
            "{}",
            r#"{"messages":[1,2,3],"tools":[{"a":[1,2,3,4,5]}, 2]}"#,
            r#"{"messages":["a,b,c,d,[[[[[[[","\"],[\\",{"image_url":1}]}"#,
            r#"{"other":[1,2,3,4,5],"x":{"messages":[1,2,3,4]},"metadata":{"tools":"[[[[["}}"#,
            r#"{"messages" : [1,2,3] , "a":1,"b":2,"c":3,"d":4}"#,
            "{\"messages\":[\"unterminated",
            "]]]]}}}}",
        ] {
            assert_eq!(excess(text), None, "{text}");
        }
    }

    #[test]
    fn one_more_than_allowed_is_named() {
        for (text, expected) in [
            (r#"{"messages":[1,2,3,4]}"#, ("messages", 3)),
            (r#"{"input":[{"a":1},[2],"x,y",null]}"#, ("input", 3)),
            (r#"{"contents":[1,2,3,4]}"#, ("contents", 3)),
            (r#"{"model":"m","tools":[{},{},{}]}"#, ("tools", 2)),
            (r#"{"a":[[[[1]]]]}"#, ("", 4)),
            (r#"{"a":{"b":{"c":{"d":{}}}}}"#, ("", 4)),
            (r#"{"x":[{"image_url":1},{"inlineData" :1},{"media_type":1}]}"#, ("images", 2)),
        ] {
            assert_eq!(excess(text), Some(expected), "{text}");
        }
        assert_eq!(excess(r#"{"x":["image_url","image_url","image_url"]}"#), None, "texts are no members");
        assert_eq!(excess(&"[".repeat(1_000_000)), Some(("", 4)));
    }
}
