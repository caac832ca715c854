//! A report as one HTML page: no external resource, readable without scripts, fit for printing. maud escapes every value.

use super::{Class, Report, Sighting, time};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::time::SystemTime;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Hex digits from which on a word is a fingerprint, and how many of them the page shows.
const FINGERPRINT: usize = 40;
const SHOWN_DIGITS: usize = 16;

pub(super) fn page(report: &Report, now: SystemTime) -> String {
    let counts: Vec<(Class, usize)> = report.counts().into_iter().filter(|(_, count)| *count > 0).collect();
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { "AMT machines seen: " (report.machines()) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Intel AMT machines that said hello" }
                    p.lead {
                        "Observed " (moment(report.started())) " to " (moment(now)) " (UTC). "
                        "Nothing was changed and no machine was connected to."
                    }
                }
                main {
                    (summary(report, &counts))
                    @if report.sightings.is_empty() {
                        p.empty { "No machine has said hello yet." }
                    } @else {
                        (machines(report))
                    }
                }
                footer {
                    p {
                        "“Inferred” means that the hello suggests it but does not say it outright. A hello tells neither firmware version nor "
                        "DNS suffix, and nobody has authenticated it."
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}

fn summary(report: &Report, counts: &[(Class, usize)]) -> Markup {
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let spoken: Vec<String> = counts.iter().map(|(class, count)| format!("{}: {count}", class.title())).collect();
    html! {
        section.summary aria-label="Summary" {
            p.total { strong { (report.machines()) } " " @if report.machines() == 1 { "machine" } @else { "machines" } }
            @if total > 0 {
                div.bar role="img" aria-label=(spoken.join(", ")) {
                    @for (class, count) in counts {
                        span class={ "part " (class.name()) } style={ "flex-grow:" (count) } title={ (class.title()) ": " (count) } {}
                    }
                }
                ul.legend {
                    @for (class, count) in counts {
                        li {
                            span class={ "dot " (class.name()) } aria-hidden="true" {}
                            strong { (count) } " " (class.title())
                        }
                    }
                }
            }
            @if report.not_kept() > 0 {
                p.warning { (report.not_kept()) " hellos of further machines came in and were not kept." }
            }
        }
    }
}

fn machines(report: &Report) -> Markup {
    html! {
        div.scroll {
            table id="machines" {
                caption { "Each machine by its newest hello" }
                thead {
                    tr {
                        th scope="col" { "State" }
                        th scope="col" { "Machine" }
                        th scope="col" { "Reason and fix" }
                        th scope="col" { "Last hello" }
                        th.number scope="col" { "Hellos" }
                    }
                }
                tbody {
                    @for sighting in report.sightings() { (row(sighting)) }
                }
            }
        }
    }
}

fn row(sighting: &Sighting) -> Markup {
    let judgement = &sighting.judgement;
    let order = Class::ALL.iter().position(|class| *class == judgement.class).unwrap_or_default();
    html! {
        tr {
            td data-sort=(order) {
                span class={ "state " (judgement.class.name()) } { (judgement.class.title()) }
                @if !judgement.certain { span.inferred { "inferred" } }
            }
            td data-sort=(sighting.address) {
                span.address { (sighting.address) }
                @if let Some(id) = sighting.id { code { (id) } } @else { span.none { "no UUID" } }
            }
            td {
                p { (sentence(&judgement.reason)) }
                @if !judgement.fix.is_empty() { p.fix { strong { "Fix: " } (sentence(&judgement.fix)) } }
                @if !judgement.also.is_empty() {
                    details {
                        summary { (judgement.also.len()) " more " @if judgement.also.len() == 1 { "remark" } @else { "remarks" } }
                        ul {
                            @for finding in &judgement.also {
                                li { code { (finding.code) } " (" (finding.severity) ") " (finding.message) "; " (finding.hint) }
                            }
                        }
                    }
                }
            }
            td.when data-sort=(time(sighting.last)) { time datetime=(time(sighting.last)) { (moment(sighting.last)) } }
            td.number data-sort=(sighting.count) { (sighting.count) }
        }
    }
}

/// A text of the library, which begins in lower case and has no stop, as a sentence.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", abbreviated(rest.as_str().trim_end_matches('.')))
}

/// With fingerprints cut to their beginning; the other forms of the report have them whole.
fn abbreviated(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let digits = piece.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        match digits.get(..SHOWN_DIGITS) {
            Some(start) if digits.len() >= FINGERPRINT => {
                out.extend([start, "…", piece.get(digits.len()..).unwrap_or_default()]);
            }
            _ => out.push_str(piece),
        }
    }
    out
}

/// `2026-03-01 08:05:09`.
fn moment(at: SystemTime) -> String {
    time(at).trim_end_matches('Z').replace('T', " ")
}
