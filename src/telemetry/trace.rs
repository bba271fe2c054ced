//! Ids: our request id and the W3C trace context (<https://www.w3.org/TR/trace-context/>, level 1).

/// The trace a request belongs to, and our span in it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TraceContext {
    /// 32 lower-case hex digits.
    pub trace_id: String,
    /// 16 lower-case hex digits: the span of this request.
    pub span_id: String,
    /// The caller's span, if it sent one.
    pub parent_id: Option<String>,
    /// The sampled flag as the caller sent it.
    pub sampled: bool,
}

impl TraceContext {
    /// Joins the caller's trace, or begins one where there is none or it is not valid.
    #[must_use]
    pub fn join(traceparent: Option<&str>, random: [u64; 3]) -> Self {
        let [a, b, c] = random;
        let span_id = format!("{:016x}", c.max(1));
        match traceparent.and_then(parse) {
            Some((trace_id, parent_id, sampled)) => {
                Self { trace_id: trace_id.to_owned(), span_id, parent_id: Some(parent_id.to_owned()), sampled }
            }
            None => Self { trace_id: format!("{:016x}{:016x}", a, b.max(1)), span_id, parent_id: None, sampled: false },
        }
    }

    /// The header for what comes after us: the caller's answer, or a provider call under its own span.
    #[must_use]
    pub fn traceparent(&self, span_id: &str) -> String {
        format!("00-{}-{span_id}-0{}", self.trace_id, u8::from(self.sampled))
    }
}

fn parse(text: &str) -> Option<(&str, &str, bool)> {
    let mut parts = text.split('-');
    let (version, trace_id, parent_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex =
        |t: &str, len: usize| t.len() == len && t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let legal = hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && hex(trace_id, 32)
        && hex(parent_id, 16)
        && hex(flags, 2)
        && trace_id.bytes().any(|b| b != b'0')
        && parent_id.bytes().any(|b| b != b'0');
    legal.then(|| (trace_id, parent_id, u8::from_str_radix(flags, 16).unwrap_or(0) & 1 == 1))
}

/// Our id for a request: `req_` and 96 random bits.
#[must_use]
pub fn request_id(random: [u64; 2]) -> String {
    let [a, b] = random;
    format!("req_{a:016x}{:08x}", b >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_callers_trace_is_joined_under_a_new_span() {
        let trace = TraceContext::join(Some(GOOD), [1, 2, 3]);
        assert_eq!(trace.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.parent_id.as_deref(), Some("00f067aa0ba902b7"));
        assert_eq!(trace.traceparent(&trace.span_id), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000003-01");
    }

    #[test]
    fn what_is_not_valid_begins_a_new_trace() {
        for bad in [
            "",
            "00-0-0-00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
        ] {
            let trace = TraceContext::join(Some(bad), [10, 11, 12]);
            assert_eq!(trace.parent_id, None, "{bad}");
            assert_eq!(trace.trace_id, "000000000000000a000000000000000b");
        }
    }
}
