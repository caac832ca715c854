//! From characters to words, each with its place.

use super::error::FilterError;

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Letters, digits and some signs, as they are.
    Word(String),
    /// What stood in quotes, without them.
    Quoted(String),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=` or `~`.
    Operator(Operator),
    Open,
    Close,
    Comma,
    End,
}

/// How a field is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

impl Operator {
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Like => "~",
        }
    }
}

/// Whether `c` may stand in a word without quotes.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '*' | '?' | '/' | '+' | '@' | '%' | '$' | '#')
}

/// Cuts `text` into tokens; each comes with the byte at which it begins. The last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let mut followed_by_equal = || rest.next_if(|(_, next)| *next == '=').is_some();
        let token = match c {
            c if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '~' => Token::Operator(Operator::Like),
            // Two signs are what programmers write.
            '=' => {
                followed_by_equal();
                Token::Operator(Operator::Equal)
            }
            '!' if followed_by_equal() => Token::Operator(Operator::NotEqual),
            '<' if followed_by_equal() => Token::Operator(Operator::LessOrEqual),
            '<' => Token::Operator(Operator::Less),
            '>' if followed_by_equal() => Token::Operator(Operator::GreaterOrEqual),
            '>' => Token::Operator(Operator::Greater),
            '"' | '\'' => {
                let mut value = String::new();
                loop {
                    match rest.next() {
                        Some((_, end)) if end == c => break,
                        Some((_, '\\')) => match rest.next() {
                            Some((_, escaped @ ('"' | '\'' | '\\'))) => value.push(escaped),
                            Some((at, _)) => {
                                let hint = "in quotes a backslash stands only before a quote or another backslash";
                                return Err(FilterError::new(text, at, "nothing that can be escaped", hint));
                            }
                            None => {}
                        },
                        Some((at, bad)) if bad.is_control() => {
                            return Err(FilterError::new(text, at, "a control character in quotes", ""));
                        }
                        Some((_, inner)) => value.push(inner),
                        None => {
                            let message = "this quote is never closed";
                            return Err(FilterError::new(text, at, message, format!("add {c} after the value")));
                        }
                    }
                }
                Token::Quoted(value)
            }
            c if is_word(c) => {
                let mut word = String::from(c);
                while let Some((_, next)) = rest.next_if(|(_, next)| is_word(*next)) {
                    word.push(next);
                }
                Token::Word(word)
            }
            other => {
                let hint = match other {
                    '!' => "write `not`, or != between a field and a value",
                    '&' => "write `and`",
                    '|' => "write `or`",
                    _ => "put a value with such characters in quotes",
                };
                return Err(FilterError::new(text, at, format!("{other:?} has no meaning here"), hint));
            }
        };
        tokens.push((at, token));
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}
