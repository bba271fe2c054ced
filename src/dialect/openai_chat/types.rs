//! Wire shapes of answers, borrowed. A member keeps its source text until somebody needs it, so
//! one odd field does not spoil its neighbours, and nothing is copied on the way.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A member name.
pub(in crate::dialect) struct Key<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Declares an object: listed members are read (`null` is absent). With `rest` the others are kept too, except those
/// after `without`. Where a member stands twice the last one counts. Only a JSON object is accepted.
macro_rules! wire_object {
    (
        $(#[$meta:meta])* $name:ident { $($field:ident : $type:ty = $key:literal,)* }
        $(rest without $($skipped:literal)*)?
    ) => {
        wire_object!(@struct $(#[$meta])* $name { $($field: $type,)* } $(rest $($skipped)*)?);

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;
                impl<'de> Visitor<'de> for ObjectVisitor {
                    type Value = $name<'de>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut out = $name::default();
                        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
                            match key.as_ref() {
                                $($key => out.$field = map.next_value()?,)*
                                $($($skipped => {
                                    map.next_value::<IgnoredAny>()?;
                                })*)?
                                _ => wire_object!(@other out key map $(rest $($skipped)*)?),
                            }
                        }
                        Ok(out)
                    }
                }
                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
    (@struct $(#[$meta:meta])* $name:ident { $($field:ident : $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(in crate::dialect) struct $name<'a> {
            $(pub $field: Option<$type>,)*
        }
    };
    (@struct $(#[$meta:meta])* $name:ident { $($field:ident : $type:ty,)* } rest $($skipped:literal)*) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(in crate::dialect) struct $name<'a> {
            $(pub $field: Option<$type>,)*
            /// Members not named, except `null` ones.
            pub rest: Vec<(Cow<'a, str>, &'a RawValue)>,
        }
    };
    (@other $out:ident $key:ident $map:ident) => {{
        $map.next_value::<IgnoredAny>()?;
    }};
    (@other $out:ident $key:ident $map:ident rest $($skipped:literal)*) => {
        if let Some(value) = $map.next_value::<Option<&'de RawValue>>()? {
            $out.rest.push(($key, value));
        }
    };
}

pub(in crate::dialect) use wire_object;

wire_object! {
    /// A whole answer or one chunk of a stream.
    Chunk {
        id: &'a RawValue = "id",
        created: &'a RawValue = "created",
        model: &'a RawValue = "model",
        choices: Vec<Choice<'a>> = "choices",
        usage: &'a RawValue = "usage",
        error: &'a RawValue = "error",
        x_groq: &'a RawValue = "x_groq",
        response: &'a RawValue = "response",
        result: &'a RawValue = "result",
        tool_calls: Vec<WireToolCall<'a>> = "tool_calls",
        system_fingerprint: &'a RawValue = "system_fingerprint",
        service_tier: &'a RawValue = "service_tier",
        obfuscation: &'a RawValue = "obfuscation",
    }
    // The last is random filling against traffic analysis, as `obfuscation` is.
    rest without "object" "p"
}

wire_object! {
    /// One choice; `message` in whole answers, `delta` in chunks (Perplexity sends both in chunks).
    Choice {
        index: &'a RawValue = "index",
        delta: Delta<'a> = "delta",
        message: Delta<'a> = "message",
        finish_reason: &'a RawValue = "finish_reason",
        stop_reason: &'a RawValue = "stop_reason",
        logprobs: &'a RawValue = "logprobs",
        usage: &'a RawValue = "usage",
        error: &'a RawValue = "error",
    }
    rest without "native_finish_reason"
}

wire_object! {
    /// A message or a piece of one.
    Delta {
        content: &'a RawValue = "content",
        refusal: &'a RawValue = "refusal",
        reasoning_content: &'a RawValue = "reasoning_content",
        reasoning: &'a RawValue = "reasoning",
        reasoning_details: &'a RawValue = "reasoning_details",
        tool_calls: Vec<WireToolCall<'a>> = "tool_calls",
        function_call: WireFunction<'a> = "function_call",
        audio: &'a RawValue = "audio",
        images: &'a RawValue = "images",
    }
    rest without "role"
}

wire_object! {
    /// A tool call or a fragment of one.
    WireToolCall {
        index: &'a RawValue = "index",
        id: &'a RawValue = "id",
        function: WireFunction<'a> = "function",
        name: &'a RawValue = "name",
        arguments: &'a RawValue = "arguments",
        custom: &'a RawValue = "custom",
        extra_content: &'a RawValue = "extra_content",
        signalbox: &'a RawValue = "signalbox",
    }
}

wire_object! {
    /// The function of a call.
    WireFunction {
        name: &'a RawValue = "name",
        arguments: &'a RawValue = "arguments",
    }
}

wire_object! {
    /// The custom tool of a call, or a piece of its input.
    WireCustom {
        name: &'a RawValue = "name",
        input: &'a RawValue = "input",
    }
}
