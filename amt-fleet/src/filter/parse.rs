//! From tokens to a filter, by recursive descent.
//!
//! ```text
//! expression = all { "or" all }
//! all        = one { "and" one }
//! one        = "not" one | "(" expression ")" | "has" FIELD | "in" COLLECTION | test
//! test       = FIELD | STATE | FIELD operator VALUE | FIELD [ "not" ] "in" "(" VALUE { "," VALUE } ")"
//! ```

use super::error::did_you_mean;
use super::field::{ALIASES, COLUMNS, FACT, Field, FieldKind, STATE, Scalar};
use super::lexer::{Operator, Token, tokens};
use super::{Filter, FilterError, MAX_DEPTH, MAX_FILTER, MAX_LIST, MAX_TESTS, Node, Test};
use crate::fact::{FactKey, FactSource};
use crate::{MachineState, store};
use std::borrow::Cow;

const KEYWORDS: [&str; 5] = ["and", "or", "not", "in", "has"];

/// Whether `word` means something by itself and must be quoted to be a value.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
    if text.len() > MAX_FILTER {
        let at = (0..=MAX_FILTER).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        return Err(FilterError::new(text, at, format!("longer than {MAX_FILTER} bytes"), "split it over collections"));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, depth: 0, tests: 0 };
    if matches!(tokens.first(), Some((_, Token::End)) | None) {
        return Ok(Filter::every());
    }
    let root = parser.expression()?;
    match parser.next() {
        (_, Token::End) => {}
        (at, Token::Close) => return Err(parser.error(at, "there is no ( for this )", "")),
        (at, _) => return Err(parser.error(at, "`and` or `or` is missing before this", "")),
    }
    let filter = Filter { root };
    // Names are written out and values in their one form, which may be longer: what is stored must be readable again.
    if filter.to_string().len() > MAX_FILTER {
        let message = format!("longer than {MAX_FILTER} bytes once written out");
        return Err(FilterError::new(text, 0, message, "split it over collections"));
    }
    Ok(filter)
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [(usize, Token)],
    depth: usize,
    tests: usize,
}

impl<'a> Parser<'a> {
    /// The next token, which is taken; the last one for ever.
    fn next(&mut self) -> (usize, &'a Token) {
        let tokens = self.tokens;
        match tokens {
            [(at, token), rest @ ..] => {
                if !rest.is_empty() {
                    self.tokens = rest;
                }
                (*at, token)
            }
            [] => (self.text.len(), &Token::End),
        }
    }

    fn peek(&self) -> &'a Token {
        self.peek_at(0)
    }

    fn peek_at(&self, n: usize) -> &'a Token {
        self.tokens.get(n).map_or(&Token::End, |(_, token)| token)
    }

    fn place(&self) -> usize {
        self.tokens.first().map_or(self.text.len(), |(at, _)| *at)
    }

    fn error(&self, at: usize, message: impl Into<String>, hint: impl Into<String>) -> FilterError {
        FilterError::new(self.text, at, message, hint)
    }

    fn sees(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Takes `keyword` if it comes next.
    fn takes(&mut self, keyword: &str) -> bool {
        let sees = self.sees(keyword);
        if sees {
            self.next();
        }
        sees
    }

    fn expression(&mut self) -> Result<Node, FilterError> {
        let mut nodes = Vec::new();
        loop {
            match self.all()? {
                Node::Any(inner) => nodes.extend(inner),
                node => nodes.push(node),
            }
            if !self.takes("or") {
                return Ok(several(nodes, Node::Any));
            }
        }
    }

    fn all(&mut self) -> Result<Node, FilterError> {
        let mut nodes = Vec::new();
        loop {
            match self.one()? {
                Node::All(inner) => nodes.extend(inner),
                node => nodes.push(node),
            }
            if !self.takes("and") {
                return Ok(several(nodes, Node::All));
            }
        }
    }

    fn one(&mut self) -> Result<Node, FilterError> {
        let at = self.place();
        if self.depth >= MAX_DEPTH {
            return Err(self.error(at, format!("nested more than {MAX_DEPTH} deep"), "split it over collections"));
        }
        self.depth += 1;
        let node = if self.takes("not") {
            Node::Not(Box::new(self.one()?))
        } else if *self.peek() == Token::Open {
            self.next();
            let node = self.expression()?;
            match self.next() {
                (_, Token::Close) => node,
                (_, Token::End) => return Err(self.error(at, "this ( is never closed", "add a )")),
                (at, _) => return Err(self.error(at, "`and`, `or` or ) is missing before this", "")),
            }
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn test(&mut self) -> Result<Node, FilterError> {
        let at = self.place();
        self.tests += 1;
        if self.tests > MAX_TESTS {
            return Err(self.error(at, format!("more than {MAX_TESTS} questions"), "split it over collections"));
        }
        if self.takes("has") {
            return self.has();
        }
        if self.takes("in") {
            return self.member();
        }
        let name = match self.next() {
            (_, Token::Word(word)) if !is_keyword(word) => word,
            (_, Token::Quoted(_)) => return Err(self.error(at, "a field stands without quotes", "")),
            (_, Token::End) => {
                return Err(self.error(at, "something is missing here", "name a field; `amt fleet fields` lists them"));
            }
            _ => return Err(self.error(at, "a field is missing before this", "`amt fleet fields` lists them")),
        };
        let compares = matches!(self.peek(), Token::Operator(_)) || self.sees("in") || self.sees_not_in();
        if !compares {
            return self.alone(at, name);
        }
        let field = self.field(at, name)?;
        if field.kind() == FieldKind::Flag {
            return Err(self.error(at, format!("{} is yes or no", field.name()), "write it alone, or `not` before it"));
        }
        if self.takes("not") {
            return Ok(Node::Not(Box::new(self.list(field)?)));
        }
        if self.sees("in") {
            return self.list(field);
        }
        self.comparison(field)
    }

    fn sees_not_in(&self) -> bool {
        self.sees("not") && matches!(self.peek_at(1), Token::Word(word) if word.eq_ignore_ascii_case("in"))
    }

    fn has(&mut self) -> Result<Node, FilterError> {
        let at = self.place();
        let (_, Token::Word(name)) = self.next() else {
            return Err(self.error(at, "a field is missing after `has`", "for example: has fqdn"));
        };
        let field = self.field(at, name)?;
        if field.kind() == FieldKind::Flag {
            return Err(self.error(at, format!("{} is yes or no", field.name()), "write it alone"));
        }
        Ok(Node::Test(Test::Has(field)))
    }

    fn member(&mut self) -> Result<Node, FilterError> {
        let at = self.place();
        match self.next() {
            (_, Token::Word(name)) if is_keyword(name) => Err(self.error(
                at,
                "the name of a collection is missing after `in`",
                "quote it if this word is its name",
            )),
            (at, Token::Word(name) | Token::Quoted(name)) => match store::collection_name(name) {
                Ok(()) => Ok(Node::Test(Test::Member(name.clone()))),
                Err(why) => Err(self.error(at, format!("no collection is called so: the name {why}"), "")),
            },
            (at, Token::Open) => {
                Err(self.error(at, "a field is missing before `in (…)`", "for example: state in (failed, waiting)"))
            }
            (at, _) => Err(self.error(at, "the name of a collection is missing after `in`", "for example: in \"lab\"")),
        }
    }

    /// A word that is compared with nothing: a state, a flag, or whatever a machine may have.
    fn alone(&self, at: usize, name: &str) -> Result<Node, FilterError> {
        let lower = name.to_ascii_lowercase();
        if let Some(state) = MachineState::ALL.iter().find(|state| state.name() == lower)
            && let Some(field) = Field::named(STATE)
        {
            let value = Scalar::Text(Cow::Borrowed(state.name()));
            return Ok(Node::Test(Test::Compare(field, Operator::Equal, value)));
        }
        let field = self.field(at, name)?;
        if field.kind() == FieldKind::Flag {
            return Ok(Node::Test(Test::Flag(field)));
        }
        let behind = self.place();
        let hint = match field.kind() {
            FieldKind::Age => format!("for example: {} < 7d; or has {}", field.name(), field.name()),
            FieldKind::Number | FieldKind::Version => format!("for example: {} >= 16", field.name()),
            _ => format!("for example: {} = …, or has {}", field.name(), field.name()),
        };
        Err(self.error(behind, format!("a comparison is missing after {}", field.name()), hint))
    }

    fn comparison(&mut self, field: Field) -> Result<Node, FilterError> {
        let (at, token) = self.next();
        let Token::Operator(operator) = token else {
            return Err(self.error(at, "a comparison is missing here", ""));
        };
        let operator = *operator;
        let kind = field.kind();
        let ordered = matches!(kind, FieldKind::Version | FieldKind::Number | FieldKind::Age);
        let (fits, hint) = match operator {
            Operator::Equal | Operator::NotEqual => {
                (kind != FieldKind::Age, "compare an age with < or >, for example hello < 7d")
            }
            Operator::Like => (matches!(kind, FieldKind::Text | FieldKind::Word), "~ is for text; use =, < or >"),
            _ => (ordered, "< and > are for numbers, versions and ages; use = or ~"),
        };
        if !fits {
            let message = format!("{} cannot be compared with {}", field.name(), operator.sign());
            return Err(self.error(at, message, hint));
        }
        let (at, value) = self.value(operator.sign())?;
        let value = if operator == Operator::Like {
            Scalar::Text(Cow::Owned(value.to_owned()))
        } else {
            self.read(field, at, value)?
        };
        Ok(Node::Test(Test::Compare(field, operator, value)))
    }

    fn list(&mut self, field: Field) -> Result<Node, FilterError> {
        let (at, _) = self.next(); // the `in`
        if field.kind() == FieldKind::Age {
            let hint = "compare an age with < or >, for example hello < 7d";
            return Err(self.error(at, format!("{} cannot be compared with in", field.name()), hint));
        }
        let (open, token) = self.next();
        if *token != Token::Open {
            return Err(self.error(open, "a ( is missing after `in`", "for example: state in (failed, waiting)"));
        }
        let mut values = Vec::new();
        loop {
            let (at, value) = self.value("in (")?;
            if values.len() >= MAX_LIST {
                return Err(self.error(at, format!("more than {MAX_LIST} values"), "split it over collections"));
            }
            let value = self.read(field, at, value)?;
            if !values.contains(&value) {
                values.push(value);
            }
            match self.next() {
                (_, Token::Comma) => {}
                (_, Token::Close) => return Ok(Node::Test(Test::OneOf(field, values))),
                (_, Token::End) => return Err(self.error(open, "this ( is never closed", "add a )")),
                (at, _) => return Err(self.error(at, "a comma or ) is missing before this", "")),
            }
        }
    }

    fn value(&mut self, after: &str) -> Result<(usize, &'a str), FilterError> {
        match self.next() {
            (at, Token::Word(word)) if is_keyword(word) => Err(self.error(
                at,
                format!("a value is missing after {after}"),
                format!("if {word} is the value, quote it"),
            )),
            (at, Token::Word(value) | Token::Quoted(value)) => Ok((at, value)),
            (at, _) => Err(self.error(at, format!("a value is missing after {after}"), "")),
        }
    }

    fn read(&self, field: Field, at: usize, value: &str) -> Result<Scalar<'static>, FilterError> {
        field.read(value).map_err(|(why, hint)| self.error(at, format!("{} {why}", field.name()), hint))
    }

    fn field(&self, at: usize, name: &str) -> Result<Field, FilterError> {
        Field::named(name).ok_or_else(|| no_such_field(self.text, at, name))
    }
}

/// What is wrong with `name`, which stands at byte `at` of `text`.
pub(super) fn no_such_field(text: &str, at: usize, name: &str) -> FilterError {
    let facts = || FactKey::ALL.iter().map(|key| key.name());
    let list = "`amt fleet fields` lists what can be asked for";
    let sources = || FactSource::ALL.iter().map(|source| source.name());
    let lower = name.to_ascii_lowercase();
    if let Some(rest) = lower.strip_prefix(FACT).and_then(|rest| rest.strip_prefix('.')) {
        let (source, key) = rest.split_once('.').map_or((None, rest), |(source, key)| (Some(source), key));
        if let Some(source) = source
            && !sources().any(|known| known == source)
        {
            let at = at + FACT.len() + 1;
            let all: Vec<&str> = sources().collect();
            let message = format!("nobody called {source:?} tells facts, only {}", all.join(", "));
            return FilterError::new(text, at, message, did_you_mean(source, sources()));
        }
        let near = did_you_mean(key, facts());
        let at = at + name.len() - key.len();
        return FilterError::new(
            text,
            at,
            format!("there is no fact {key:?}"),
            if near.is_empty() { list } else { &near },
        );
    }
    let names = COLUMNS.iter().map(|c| c.name).chain(ALIASES.iter().map(|(alias, _)| *alias)).chain(facts());
    let near = did_you_mean(name, names.chain(MachineState::ALL.iter().map(|s| s.name())).chain(KEYWORDS));
    FilterError::new(text, at, format!("there is no field {name:?}"), if near.is_empty() { list } else { &near })
}

/// The nodes as one: itself, if it is alone.
fn several(mut nodes: Vec<Node>, join: impl Fn(Vec<Node>) -> Node) -> Node {
    match (nodes.len(), nodes.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            nodes.extend(last);
            join(nodes)
        }
    }
}
