//! A filter as SQL: constants of this file and of the field table, and a `?` for every value.

use super::field::{Field, FieldKind, Scalar, millis};
use super::lexer::Operator;
use super::{Filter, Node, Test};
use crate::fact::FactSource;
use std::fmt::Write as _;
use std::time::SystemTime;

/// A value for a `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bind {
    /// Text.
    Text(String),
    /// A number, a moment in milliseconds or a version as one number.
    Integer(i64),
}

/// A condition over `machines m`, in SQLite's dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterSql {
    /// The condition, in parentheses. True for exactly the machines that fit; false or NULL for others.
    pub text: String,
    /// Values for its question marks, in their order.
    pub binds: Vec<Bind>,
}

impl Filter {
    /// The filter as a condition for the database; ages are counted to `now`.
    pub fn to_sql(&self, now: SystemTime) -> FilterSql {
        let mut sql = Sql { text: String::new(), binds: Vec::new(), now: millis(now) };
        sql.node(&self.root, false);
        FilterSql { text: sql.text, binds: sql.binds }
    }
}

/// `not` is carried down to the tests: above them there are only AND and OR, for which NULL is as good as false.
struct Sql {
    text: String,
    binds: Vec<Bind>,
    now: i64,
}

impl Sql {
    fn node(&mut self, node: &Node, negated: bool) {
        match node {
            Node::Not(node) => self.node(node, !negated),
            Node::Test(test) => self.test(test, negated),
            Node::All(nodes) => self.join(nodes, negated, if negated { " OR " } else { " AND " }),
            Node::Any(nodes) => self.join(nodes, negated, if negated { " AND " } else { " OR " }),
        }
    }

    fn join(&mut self, nodes: &[Node], negated: bool, word: &str) {
        self.text.push('(');
        for (n, node) in nodes.iter().enumerate() {
            if n > 0 {
                self.text.push_str(word);
            }
            self.node(node, negated);
        }
        self.text.push(')');
    }

    fn test(&mut self, test: &Test, negated: bool) {
        match test {
            Test::Every => self.text.push_str(if negated { "(0)" } else { "(1)" }),
            Test::Flag(Field::Column(column)) => {
                let _ = write!(self.text, "(({}) = {})", column.sql, i32::from(!negated));
            }
            // The parser makes none.
            Test::Flag(Field::Fact { .. }) => self.text.push_str(if negated { "(1)" } else { "(0)" }),
            Test::Member(name) => {
                self.text.push_str(if negated { "(m.id NOT IN " } else { "(m.id IN " });
                self.text.push_str("(SELECT c.machine FROM members c WHERE c.collection = ?))");
                self.binds.push(Bind::Text(name.clone()));
            }
            Test::Has(field) => self.about(*field, negated, Condition::Exists),
            Test::Compare(field, Operator::NotEqual, value) => {
                self.about(*field, !negated, Condition::Compare(Operator::Equal, value));
            }
            Test::Compare(field, operator, value) => {
                self.about(*field, negated, Condition::Compare(*operator, value));
            }
            Test::OneOf(field, values) => self.about(*field, negated, Condition::OneOf(values)),
        }
    }

    fn about(&mut self, field: Field, negated: bool, condition: Condition<'_>) {
        match field {
            Field::Column(column) => {
                let (open, close) = match (&condition, negated) {
                    (Condition::Exists, true) => ("(NOT ", ")"),
                    // What the machine does not have compares as false, and the opposite of that is true.
                    (_, true) => ("(NOT ifnull(", ", 0))"),
                    (_, false) => ("(", ")"),
                };
                self.text.push_str(open);
                self.condition(field, &format!("({})", column.sql), condition);
                self.text.push_str(close);
            }
            Field::Fact { source, key } => {
                self.text.push_str(if negated { "(m.id NOT IN " } else { "(m.id IN " });
                let _ =
                    write!(self.text, "(SELECT f.machine FROM facts f WHERE f.until IS NULL AND f.key = '{key}' AND ");
                let value = if field.kind() == FieldKind::Version { VERSION_OF_FACT } else { "f.value" };
                let exists = matches!(condition, Condition::Exists);
                self.condition(field, value, condition);
                match source {
                    Some(source) => {
                        let _ = write!(self.text, " AND f.source = '{source}'");
                    }
                    // Of contradicting sources one counts.
                    None if !key.is_many() && !exists => self.counts(),
                    None => {}
                }
                self.text.push_str("))");
            }
        }
    }

    /// No more trusted source says anything about the same.
    fn counts(&mut self) {
        self.text.push_str(
            " AND NOT EXISTS (SELECT 1 FROM facts b WHERE b.until IS NULL AND b.machine = f.machine AND b.key = f.key AND (",
        );
        let mut first = true;
        for (n, source) in FactSource::ALL.iter().enumerate().skip(1) {
            let less: Vec<String> = FactSource::ALL.iter().take(n).map(|less| format!("'{less}'")).collect();
            let or = if first { "" } else { " OR " };
            first = false;
            let _ = write!(self.text, "{or}(b.source = '{source}' AND f.source IN ({}))", less.join(", "));
        }
        self.text.push_str("))");
    }

    fn condition(&mut self, field: Field, sql: &str, condition: Condition<'_>) {
        let fold = if field.is_exact() { "" } else { " COLLATE NOCASE" };
        match condition {
            Condition::Exists => {
                let _ = write!(self.text, "{sql} IS NOT NULL");
            }
            Condition::Compare(Operator::Like, value) => {
                let _ = write!(self.text, "{sql} LIKE ? ESCAPE '\\'");
                self.binds.push(Bind::Text(like_pattern(&value.write(field.kind()))));
            }
            Condition::Compare(operator, value) => {
                // An age below the wanted one is a moment after that long ago.
                let sign = match (field.kind(), operator) {
                    (FieldKind::Age, Operator::Less) => ">",
                    (FieldKind::Age, Operator::LessOrEqual) => ">=",
                    (FieldKind::Age, Operator::Greater) => "<",
                    (FieldKind::Age, Operator::GreaterOrEqual) => "<=",
                    _ => operator.sign(),
                };
                let _ = write!(self.text, "{sql} {sign} ?{fold}");
                self.bind(field, value);
            }
            Condition::OneOf(values) => {
                let marks = vec!["?"; values.len()].join(", ");
                let _ = write!(self.text, "{sql}{fold} IN ({marks})");
                values.iter().for_each(|value| self.bind(field, value));
            }
        }
    }

    fn bind(&mut self, field: Field, value: &Scalar<'_>) {
        self.binds.push(match value {
            Scalar::Text(text) => Bind::Text(text.clone().into_owned()),
            Scalar::Number(age) if field.kind() == FieldKind::Age => Bind::Integer(self.now - age),
            Scalar::Number(number) => Bind::Integer(*number),
        });
    }
}

enum Condition<'a> {
    Exists,
    Compare(Operator, &'a Scalar<'a>),
    OneOf(&'a [Scalar<'a>]),
}

/// The value of a fact, `16.1.25`, as the number that [`version_order`](crate::store::version_order) makes of it.
const VERSION_OF_FACT: &str = "(CASE WHEN json_valid('[' || replace(f.value, '.', ',') || ']') THEN \
     (json_extract('[' || replace(f.value, '.', ',') || ']', '$[0]') << 48) \
     | (ifnull(json_extract('[' || replace(f.value, '.', ',') || ']', '$[1]'), 0) << 32) \
     | (ifnull(json_extract('[' || replace(f.value, '.', ',') || ']', '$[2]'), 0) << 16) \
     | ifnull(json_extract('[' || replace(f.value, '.', ',') || ']', '$[3]'), 0) END)";

/// `*` and `?` as LIKE writes them, and what LIKE would take for them escaped.
fn like_pattern(glob: &str) -> String {
    let mut pattern = String::with_capacity(glob.len());
    for c in glob.chars() {
        match c {
            '*' => pattern.push('%'),
            '?' => pattern.push('_'),
            '%' | '_' | '\\' => {
                pattern.push('\\');
                pattern.push(c);
            }
            c => pattern.push(c),
        }
    }
    pattern
}
