//! Wire shapes, borrowed from the body. Google's JSON form of protocol buffers is read as Google reads it: names in
//! camelCase or snake_case, `null` is absence, numbers may be texts, a list of one may stand without its brackets.
//! Members without a place are kept as source text in `rest`.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::values::within;
pub use super::values::{Int, Many, Number, Text};
use crate::dialect::StreamFault;

/// Reads an answer's payload. UTF-8 is checked once for all its texts.
///
/// # Errors
/// The provider's, by the place only: what stands there may be a prompt's or an answer's text.
pub fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, StreamFault> {
    let text = std::str::from_utf8(json)
        .map_err(|_| StreamFault::Malformed("a Gemini answer that is not UTF-8".to_owned()))?;
    crate::json::from_str(text).map_err(|error| {
        let kind = if error.is_data() { "not a Gemini answer" } else { "not JSON" };
        StreamFault::Malformed(format!("{kind}, at line {} column {}", error.line(), error.column()))
    })
}

/// Members that a shape has no place for, in source order. One that has a place and stands twice is among them, twice: the
/// shape holds its last value, and whoever must not lose the others finds out here.
pub type Rest<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// Declares a shape whose members are all optional and whose unknown members are kept.
macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident<$lt:lifetime> {
        $($(#[$field_doc:meta])* $field:ident: $ty:ty = $key:literal $(| $alias:literal)?,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name<$lt> {
            $($(#[$field_doc])* pub $field: Option<$ty>,)*
            /// Everything else.
            pub rest: Rest<$lt>,
        }

        impl<'de: $lt, $lt> Deserialize<'de> for $name<$lt> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ShapeVisitor;
                impl<'de> Visitor<'de> for ShapeVisitor {
                    type Value = $name<'de>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut shape = $name::default();
                        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                            let (again, read) = match key.as_ref() {
                                $($key $(| $alias)? => {
                                    (shape.$field.is_some(), map.next_value().map(|value| shape.$field = value))
                                })*
                                _ => {
                                    shape.rest.push((key, map.next_value()?));
                                    continue;
                                }
                            };
                            read.map_err(|error| within(&key, error))?;
                            if again {
                                let mark = RawValue::TRUE;
                                shape.rest.extend([(key.clone(), mark), (key, mark)]);
                            }
                        }
                        shape.rest.retain(|(_, value)| value.get() != "null");
                        Ok(shape)
                    }
                }
                deserializer.deserialize_map(ShapeVisitor)
            }
        }
    )*};
}

shapes! {
    /// A request body.
    Request<'a> {
        contents: Many<Content<'a>> = "contents",
        system: System<'a> = "systemInstruction" | "system_instruction",
        tools: Many<Tool<'a>> = "tools",
        tool_config: ToolConfig<'a> = "toolConfig" | "tool_config",
        generation_config: GenerationConfig<'a> = "generationConfig" | "generation_config",
    }
    /// One turn.
    Content<'a> {
        role: Text<'a> = "role",
        parts: Many<Part<'a>> = "parts",
    }
    /// A turn at arm's length, for the native path: what its parts hold is not read, and media are not copied.
    ContentView<'a> {
        role: Text<'a> = "role",
        parts: Many<PartView<'a>> = "parts",
    }
    /// A part at arm's length.
    PartView<'a> {
        text: Text<'a> = "text",
        thought: bool = "thought",
        function_call: &'a RawValue = "functionCall" | "function_call",
        function_response: &'a RawValue = "functionResponse" | "function_response",
        inline_data: MediaView<'a> = "inlineData" | "inline_data",
        file_data: MediaView<'a> = "fileData" | "file_data",
    }
    /// Media at arm's length.
    MediaView<'a> {
        mime: Text<'a> = "mimeType" | "mime_type",
    }
    /// A piece of a turn; one of its kinds is set, `rest` holds those that only Gemini has.
    Part<'a> {
        text: Text<'a> = "text",
        thought: bool = "thought",
        signature: Text<'a> = "thoughtSignature" | "thought_signature",
        function_call: FunctionCall<'a> = "functionCall" | "function_call",
        /// A [`FunctionResponse`], read on demand like the two below.
        function_response: &'a RawValue = "functionResponse" | "function_response",
        /// A [`Blob`].
        inline_data: &'a RawValue = "inlineData" | "inline_data",
        /// A [`FileData`].
        file_data: &'a RawValue = "fileData" | "file_data",
    }
    /// A call; Vertex may stream its arguments.
    FunctionCall<'a> {
        id: Text<'a> = "id",
        name: Text<'a> = "name",
        args: &'a RawValue = "args",
        partial_args: Many<PartialArg<'a>> = "partialArgs" | "partial_args",
        will_continue: bool = "willContinue" | "will_continue",
    }
    /// One value, or a piece of a text value, of streamed arguments.
    PartialArg<'a> {
        path: Text<'a> = "jsonPath" | "json_path",
        string: Text<'a> = "stringValue" | "string_value",
        number: &'a RawValue = "numberValue" | "number_value",
        boolean: bool = "boolValue" | "bool_value",
        /// More of the same text follows.
        will_continue: bool = "willContinue" | "will_continue",
    }
    /// A call's result.
    FunctionResponse<'a> {
        id: Text<'a> = "id",
        name: Text<'a> = "name",
        response: &'a RawValue = "response",
        parts: Many<Part<'a>> = "parts",
    }
    /// Media bytes.
    Blob<'a> {
        mime: Text<'a> = "mimeType" | "mime_type",
        data: Text<'a> = "data",
        name: Text<'a> = "displayName" | "display_name",
    }
    /// Media by address.
    FileData<'a> {
        mime: Text<'a> = "mimeType" | "mime_type",
        uri: Text<'a> = "fileUri" | "file_uri",
        name: Text<'a> = "displayName" | "display_name",
    }
    /// Function declarations or a tool of Google's.
    Tool<'a> {
        functions: Many<FunctionDeclaration<'a>> = "functionDeclarations" | "function_declarations",
    }
    /// A function.
    FunctionDeclaration<'a> {
        name: Text<'a> = "name",
        description: Text<'a> = "description",
        parameters: &'a RawValue = "parameters",
        json_schema: &'a RawValue = "parametersJsonSchema" | "parameters_json_schema",
    }
    /// How tools are used.
    ToolConfig<'a> {
        calling: FunctionCalling<'a> = "functionCallingConfig" | "function_calling_config",
    }
    /// How functions are called.
    FunctionCalling<'a> {
        mode: Text<'a> = "mode",
        allowed: Many<Text<'a>> = "allowedFunctionNames" | "allowed_function_names",
    }
    /// Generation settings.
    GenerationConfig<'a> {
        temperature: Number = "temperature",
        top_p: Number = "topP" | "top_p",
        top_k: Number = "topK" | "top_k",
        candidate_count: Int = "candidateCount" | "candidate_count",
        max_output_tokens: Int = "maxOutputTokens" | "max_output_tokens",
        stop: Many<Text<'a>> = "stopSequences" | "stop_sequences",
        seed: Int = "seed",
        presence_penalty: Number = "presencePenalty" | "presence_penalty",
        frequency_penalty: Number = "frequencyPenalty" | "frequency_penalty",
        response_logprobs: bool = "responseLogprobs" | "response_logprobs",
        logprobs: Int = "logprobs",
        mime: Text<'a> = "responseMimeType" | "response_mime_type",
        openapi_schema: &'a RawValue = "responseSchema" | "response_schema",
        json_schema: &'a RawValue = "responseJsonSchema" | "response_json_schema",
        format: Many<ResponseFormat<'a>> = "responseFormat" | "response_format",
        thinking: Thinking<'a> = "thinkingConfig" | "thinking_config",
    }
    /// The newer way to ask for JSON.
    ResponseFormat<'a> {
        text: TextFormat<'a> = "text",
    }
    /// Form of a text answer.
    TextFormat<'a> {
        mime: Text<'a> = "mimeType" | "mime_type",
        schema: &'a RawValue = "schema",
    }
    /// Thinking settings.
    Thinking<'a> {
        include: bool = "includeThoughts" | "include_thoughts",
        budget: Int = "thinkingBudget" | "thinking_budget",
        level: Text<'a> = "thinkingLevel" | "thinking_level",
    }
    /// A whole or partial answer.
    Chunk<'a> {
        candidates: Many<Candidate<'a>> = "candidates",
        prompt_feedback: &'a RawValue = "promptFeedback" | "prompt_feedback",
        usage: UsageMetadata<'a> = "usageMetadata" | "usage_metadata",
        model: Text<'a> = "modelVersion" | "model_version",
        id: Text<'a> = "responseId" | "response_id",
        created: Text<'a> = "createTime" | "create_time",
        error: &'a RawValue = "error",
    }
    /// A choice of an answer.
    Candidate<'a> {
        index: Int = "index",
        content: Content<'a> = "content",
        finish_reason: Text<'a> = "finishReason" | "finish_reason",
    }
    /// Token counts.
    UsageMetadata<'a> {
        prompt: Int = "promptTokenCount" | "prompt_token_count",
        cached: Int = "cachedContentTokenCount" | "cached_content_token_count",
        candidates: Int = "candidatesTokenCount" | "candidates_token_count",
        thoughts: Int = "thoughtsTokenCount" | "thoughts_token_count",
        tool_use: Int = "toolUsePromptTokenCount" | "tool_use_prompt_token_count",
        total: Int = "totalTokenCount" | "total_token_count",
        prompt_details: Many<ModalityCount<'a>> = "promptTokensDetails" | "prompt_tokens_details",
        cache_details: Many<ModalityCount<'a>> = "cacheTokensDetails" | "cache_tokens_details",
        tool_use_details: Many<ModalityCount<'a>> = "toolUsePromptTokensDetails" | "tool_use_prompt_tokens_details",
        candidates_details: Many<ModalityCount<'a>> = "candidatesTokensDetails" | "candidates_tokens_details",
    }
    /// Tokens of one modality.
    ModalityCount<'a> {
        modality: Text<'a> = "modality",
        tokens: Int = "tokenCount" | "token_count",
    }
    /// The verdict on a prompt.
    PromptFeedback<'a> {
        block_reason: Text<'a> = "blockReason" | "block_reason",
    }
}

/// System instructions: a turn, or a bare text as some SDKs let it be written.
#[derive(Debug)]
pub struct System<'a>(pub Content<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for System<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SystemVisitor;
        impl<'de> Visitor<'de> for SystemVisitor {
            type Value = System<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a content object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Content::deserialize(MapAccessDeserializer::new(map)).map(System)
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(System(of_text(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(System(of_text(Cow::Owned(text.to_owned()))))
            }
        }
        fn of_text(text: Cow<'_, str>) -> Content<'_> {
            let part = Part { text: Some(Text(text)), ..Part::default() };
            Content { parts: Some(Many(vec![part])), ..Content::default() }
        }
        deserializer.deserialize_any(SystemVisitor)
    }
}

/// An object as it stands: members in order, `null`s included.
#[derive(Debug)]
pub struct Object<'a>(pub Rest<'a>);

impl<'a> Object<'a> {
    /// Reads an object; `None` for any other value.
    pub fn read(raw: &'a RawValue) -> Option<Self> {
        crate::json::from_str(raw.get()).ok()
    }

    /// A member's value.
    pub fn value(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    list.push((key, value));
                }
                Ok(Object(list))
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}
