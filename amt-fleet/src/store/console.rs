//! The console's certificates in the database: one sealed row.

use super::change::Tx;
use super::machine::required;
use super::writer::Change;
use super::{Fleet, failed};
use crate::console::Console;
use crate::seal::Place;
use amt_core::{ErrorCode, Failure};

pub(crate) const PLACE: Place<'static> = Place { column: "console.sealed", row: "1" };

struct KeepConsole {
    /// The version that was read; 0: there was none.
    version: i64,
    sealed: Vec<u8>,
}

impl Change for KeepConsole {
    type Reply = bool;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<bool, Failure> {
        let done = sqlx::query(
            "INSERT INTO console (id, version, changed_at, sealed) VALUES (1, ?1 + 1, ?2, ?3) \
             ON CONFLICT (id) DO UPDATE SET version = ?1 + 1, changed_at = ?2, sealed = ?3 WHERE version = ?1",
        )
        .bind(self.version)
        .bind(tx.now)
        .bind(self.sealed.as_slice())
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write console"))?;
        Ok(done.rows_affected() == 1)
    }
}

impl Fleet {
    /// The certificates that this console shows to machines with mutual TLS.
    ///
    /// # Errors
    /// `STORE`, `UNSEAL`.
    pub async fn console(&self) -> Result<Console, Failure> {
        let row = sqlx::query("SELECT version, sealed FROM console WHERE id = 1").fetch_optional(self.readers()).await;
        let Some(row) = row.map_err(failed("read"))? else { return Ok(Console::default()) };
        let clear = self.seal().open(PLACE, &required::<Vec<u8>>(&row, "sealed")?)?;
        Console::decode(clear.expose(), required(&row, "version")?)
    }

    /// Makes it durable: keys stand there before an authority hears of them.
    pub(crate) async fn keep_console(&self, console: &mut Console) -> Result<(), Failure> {
        let sealed = self.seal().seal(PLACE, console.encode()?.expose())?;
        if self.write(KeepConsole { version: console.version, sealed }).await? {
            console.version += 1;
            return Ok(());
        }
        let text = "another program has changed the console's certificates meanwhile";
        Err(Failure::new(ErrorCode::STORE, "console", text).hint("try again"))
    }
}
