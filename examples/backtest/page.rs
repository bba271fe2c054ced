//! The picture: who would answer how much, then and now.

use std::fmt::Write as _;

use super::tally::Tally;

const ROW: u64 = 34;
const WIDTH: u64 = 420;

/// A page that stands alone.
pub fn html(tally: &Tally) -> String {
    let table = escaped(&tally.table());
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Backtest</title>\
         <style>body{{font:15px system-ui;margin:2em}}pre{{overflow:auto}}</style>\
         <h1>Backtest</h1><p>Requests by the model that is tried first: then (grey) and now (blue).</p>{}<pre>{table}</pre></html>\n",
        bars(tally)
    )
}

fn bars(tally: &Tally) -> String {
    let mut models: Vec<_> = tally.models.iter().collect();
    models.sort_by_key(|(_, [then, now])| std::cmp::Reverse(then + now));
    models.truncate(30);
    let most = models.iter().flat_map(|(_, sides)| sides.iter()).copied().max().unwrap_or(1).max(1);
    let height = ROW * u64::try_from(models.len()).unwrap_or(0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"{height}\" font-family=\"system-ui\" font-size=\"13\">"
    );
    for (at, (model, sides)) in (0_u64..).zip(&models) {
        let top = at * ROW;
        let _ = write!(svg, "<text x=\"290\" y=\"{}\" text-anchor=\"end\">{}</text>", top + 20, escaped(model));
        for (side, (count, colour)) in (0_u64..).zip(sides.iter().zip(["#9aa0a6", "#1a73e8"])) {
            let (y, width) = (top + 4 + side * 13, count * WIDTH / most);
            let _ = write!(
                svg,
                "<rect x=\"300\" y=\"{y}\" width=\"{width}\" height=\"12\" fill=\"{colour}\"/>\
                 <text x=\"{}\" y=\"{}\" font-size=\"11\">{count}</text>",
                306 + width,
                y + 10
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
