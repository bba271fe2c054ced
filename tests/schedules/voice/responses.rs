//! OpenAI Responses (`openai-node` `ResponseStreamEvent`).

use super::{quoted, Event, Says, Spoken, Told, TOOL};

fn usage(answer: &Told) -> String {
    let c = answer.counts_of();
    if !answer.counts {
        return "null".to_owned();
    }
    let output = c.output + c.reasoning;
    format!(
        r#"{{"input_tokens":{},"input_tokens_details":{{"cached_tokens":{}}},"output_tokens":{output},"output_tokens_details":{{"reasoning_tokens":{}}},"total_tokens":{}}}"#,
        c.input,
        c.cached,
        c.reasoning,
        c.input + output
    )
}

fn response(answer: &Told, status: &str, output: &str, usage: &str) -> String {
    let details = if status == "incomplete" { r#"{"reason":"max_output_tokens"}"# } else { "null" };
    let tools = if answer.tools > 0 {
        format!(r#"[{{"type":"function","name":"{TOOL}","parameters":{{}}}}]"#)
    } else {
        "[]".to_owned()
    };
    format!(
        r#"{{"id":"resp_1","object":"response","created_at":1800000000,"status":"{status}","error":null,"incomplete_details":{details},"model":"m","output":[{output}],"parallel_tool_calls":true,"tool_choice":"auto","tools":{tools},"usage":{usage}}}"#
    )
}

fn message(text: &str, status: &str) -> String {
    let content = if status == "in_progress" {
        String::new()
    } else {
        format!(r#"{{"type":"output_text","text":{},"annotations":[]}}"#, quoted(text))
    };
    format!(r#"{{"id":"msg_1","type":"message","status":"{status}","role":"assistant","content":[{content}]}}"#)
}

fn reasoning(text: &str, done: bool) -> String {
    let summary = if done { format!(r#"{{"type":"summary_text","text":{}}}"#, quoted(text)) } else { String::new() };
    format!(r#"{{"id":"rs_1","type":"reasoning","summary":[{summary}]}}"#)
}

fn call(at: usize, arguments: &str, status: &str) -> String {
    format!(
        r#"{{"id":"fc_{at}","type":"function_call","status":"{status}","name":"{TOOL}","call_id":"call_{at}","arguments":{}}}"#,
        quoted(arguments)
    )
}

fn items(answer: &Told) -> Vec<String> {
    let mut items = Vec::new();
    let thoughts = answer.thinking().concat();
    if !thoughts.is_empty() {
        items.push(reasoning(&thoughts, true));
    }
    if !answer.text().is_empty() {
        items.push(message(&answer.text().concat(), status(answer)));
    }
    for (at, parts) in answer.arguments().iter().enumerate() {
        items.push(call(at, &parts.concat(), "completed"));
    }
    items
}

fn status(answer: &Told) -> &'static str {
    if answer.cut_short {
        "incomplete"
    } else {
        "completed"
    }
}

#[derive(Default)]
struct Talk {
    events: Vec<Event>,
    index: usize,
}

impl Talk {
    fn send(&mut self, name: &'static str, rest: &str, says: Says) {
        let number = self.events.len();
        self.events.push(Event {
            name,
            data: format!(r#"{{"type":"{name}","sequence_number":{number},{rest}}}"#),
            says,
        });
    }

    fn item(&mut self, name: &'static str, item: &str, says: Says) {
        self.send(name, &format!(r#""output_index":{},"item":{item}"#, self.index), says);
    }

    fn at(&self, id: &str, rest: &str) -> String {
        format!(r#""item_id":"{id}","output_index":{},{rest}"#, self.index)
    }
}

pub fn stream(answer: &Told) -> Spoken {
    let mut talk = Talk::default();
    let begun = format!(r#""response":{}"#, response(answer, "in_progress", "", "null"));
    talk.send("response.created", &begun, Says::Nothing);
    talk.send("response.in_progress", &begun, Says::Nothing);
    let thoughts = answer.thinking();
    if !thoughts.is_empty() {
        talk.item("response.output_item.added", &reasoning("", false), Says::Nothing);
        let part =
            |text: &str| format!(r#""summary_index":0,"part":{{"type":"summary_text","text":{}}}"#, quoted(text));
        talk.send("response.reasoning_summary_part.added", &talk.at("rs_1", &part("")), Says::Nothing);
        for text in &thoughts {
            let rest = talk.at("rs_1", &format!(r#""summary_index":0,"delta":{}"#, quoted(text)));
            talk.send("response.reasoning_summary_text.delta", &rest, Says::Thought(text.clone()));
        }
        let all = thoughts.concat();
        let done = talk.at("rs_1", &format!(r#""summary_index":0,"text":{}"#, quoted(&all)));
        talk.send("response.reasoning_summary_text.done", &done, Says::Nothing);
        talk.send("response.reasoning_summary_part.done", &talk.at("rs_1", &part(&all)), Says::Nothing);
        talk.item("response.output_item.done", &reasoning(&all, true), Says::Nothing);
        talk.index += 1;
    }
    if !answer.text().is_empty() {
        talk.item("response.output_item.added", &message("", "in_progress"), Says::Nothing);
        let part = |text: &str| {
            format!(r#""content_index":0,"part":{{"type":"output_text","text":{},"annotations":[]}}"#, quoted(text))
        };
        talk.send("response.content_part.added", &talk.at("msg_1", &part("")), Says::Nothing);
        for text in answer.text().iter().cloned() {
            let rest = talk.at("msg_1", &format!(r#""content_index":0,"delta":{},"logprobs":[]"#, quoted(&text)));
            talk.send("response.output_text.delta", &rest, Says::Text(text));
        }
        let all = answer.text().concat();
        let done = talk.at("msg_1", &format!(r#""content_index":0,"text":{},"logprobs":[]"#, quoted(&all)));
        talk.send("response.output_text.done", &done, Says::Nothing);
        talk.send("response.content_part.done", &talk.at("msg_1", &part(&all)), Says::Nothing);
        talk.item("response.output_item.done", &message(&all, status(answer)), Says::Nothing);
        talk.index += 1;
    }
    for (at, parts) in answer.arguments().into_iter().enumerate() {
        let id = format!("fc_{at}");
        talk.item("response.output_item.added", &call(at, "", "in_progress"), Says::Tool);
        let all = parts.concat();
        for part in parts {
            let rest = talk.at(&id, &format!(r#""delta":{}"#, quoted(&part)));
            talk.send("response.function_call_arguments.delta", &rest, Says::Arguments(part));
        }
        let done = talk.at(&id, &format!(r#""arguments":{}"#, quoted(&all)));
        talk.send("response.function_call_arguments.done", &done, Says::Nothing);
        talk.item("response.output_item.done", &call(at, &all, "completed"), Says::Nothing);
        talk.index += 1;
    }
    let completes = talk.events.len();
    let name = if answer.cut_short { "response.incomplete" } else { "response.completed" };
    let whole = response(answer, status(answer), &items(answer).join(","), &usage(answer));
    talk.send(name, &format!(r#""response":{whole}"#), Says::Nothing);
    Spoken { events: talk.events, completes, counts: answer.counts.then_some(completes) }
}

pub fn whole(answer: &Told) -> String {
    response(answer, status(answer), &items(answer).join(","), &usage(answer))
}
