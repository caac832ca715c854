use super::super::tests::{fleet, hello, id};
use super::*;
use amt_provision::{Record, Step};

/// A pair that is the same every time.
pub(crate) fn pair(seed: u8) -> PskPair {
    let mut next = seed;
    PskPair::generate(|buffer: &mut [u8]| {
        buffer.fill_with(|| {
            next = next.wrapping_mul(5).wrapping_add(17);
            next % 252
        });
        Ok::<(), std::convert::Infallible>(())
    })
    .unwrap()
}

fn secret(seed: u8, scope: PairScope) -> SecretPair {
    SecretPair { scope, ..SecretPair::new(pair(seed)) }
}

fn opened(n: u8, pairs: &[PskPair]) -> Record {
    let mut record = Record::new(id(n));
    record.psk = pairs.to_vec();
    record.step = Step::RecordCredentials;
    record
}

#[tokio::test]
async fn pairs_are_kept_sealed_and_come_out_whole_only_when_asked_for() {
    let (folder, fleet) = fleet().await;
    let mut one = secret(1, PairScope::Machine);
    one.mebx_password = Some("Menu1!known".into());
    one.new_mebx_password = Some("Menu1!fresh".into());
    one.comment = Some("order 17".into());
    let imported = fleet.import_pairs(vec![one.clone(), secret(2, PairScope::Shared)]).await.unwrap();
    assert_eq!((imported.new, imported.known, imported.machines), (2, 0, 0));
    let listed = fleet.pairs().await.unwrap();
    let first = fleet.pair(one.pair.pid).await.unwrap();
    assert!(listed.len() == 2 && listed.contains(&first));
    assert_eq!((first.state, first.scope, first.machines), (PairState::Free, PairScope::Machine, 0));
    assert!(first.has_mebx_password && first.has_new_mebx_password && first.comment.as_deref() == Some("order 17"));
    let out = fleet.export_pairs(vec![one.pair.pid]).await.unwrap();
    assert_eq!(out, std::slice::from_ref(&one));
    assert_eq!(fleet.pair(one.pair.pid).await.unwrap().state, PairState::Exported);
    for text in [format!("{out:?}"), format!("{listed:?}"), format!("{fleet:?}")] {
        assert!(!text.contains("Menu1!") && !text.contains(one.pair.pps.plain().expose().as_str()), "{text}");
    }
    fleet.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for clear in [one.pair.pps.expose().as_slice(), b"Menu1!known", b"Menu1!fresh"] {
            assert!(!bytes.windows(clear.len()).any(|w| w == clear), "in clear on disk");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_whole_and_explained_without_secrets() {
    let (_folder, fleet) = fleet().await;
    fleet.import_pairs(vec![secret(1, PairScope::Machine)]).await.unwrap();
    let mut other = secret(1, PairScope::Machine);
    other.pair.pps = pair(2).pps;
    let refused = fleet.import_pairs(vec![secret(3, PairScope::Machine), other.clone()]).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::PSK_INVALID);
    assert!(
        refused.message.contains(&format!("PID {} stands in the vault with another PPS", other.pair.pid)),
        "{refused}"
    );
    assert!(
        refused.hint.contains("amt psk forget")
            && !refused.to_string().contains(other.pair.pps.plain().expose().as_str())
    );
    assert_eq!(fleet.pairs().await.unwrap().len(), 1, "all or none");
    let twice = fleet.import_pairs(vec![
        secret(3, PairScope::Machine),
        SecretPair { pair: PskPair { pid: pair(3).pid, pps: pair(4).pps }, ..secret(3, PairScope::Machine) },
    ]);
    assert!(twice.await.unwrap_err().message.contains("given twice"));
    let mut bad = [secret(5, PairScope::Machine), secret(6, PairScope::Machine), secret(7, PairScope::Machine)];
    bad[0].new_mebx_password = Some("weak".into());
    bad[1].pair.pid = Pid(*b"ABCDEFGH");
    bad[2].comment = Some("x".repeat(MAX_COMMENT + 1));
    let refused = fleet.import_pairs(bad.to_vec()).await.unwrap_err();
    assert_eq!(refused.message.lines().count(), 3, "every reason at once: {refused}");
    assert!(!refused.message.contains("weak"));
    assert_eq!(fleet.forget_pair(pair(9).pid).await.unwrap_err().code, ErrorCode::PSK_UNKNOWN);
}

#[tokio::test]
async fn an_import_again_completes_what_is_there() {
    let (_folder, fleet) = fleet().await;
    let mut one = secret(1, PairScope::Machine);
    one.comment = Some("first".into());
    fleet.import_pairs(vec![one.clone()]).await.unwrap();
    one.comment = None;
    one.mebx_password = Some("admin".into());
    one.scope = PairScope::Shared;
    assert_eq!(fleet.import_pairs(vec![one.clone()]).await.unwrap().known, 1);
    let stored = fleet.export_pairs(vec![one.pair.pid]).await.unwrap().remove(0);
    assert_eq!((stored.scope, stored.comment.as_deref()), (PairScope::Shared, Some("first")));
    assert_eq!(stored.mebx_password, one.mebx_password);
}

#[tokio::test]
async fn a_pair_for_one_machine_is_the_first_ones_that_it_opened() {
    let (_folder, fleet) = fleet().await;
    fleet.import_pairs(vec![secret(1, PairScope::Machine)]).await.unwrap();
    let pid = pair(1).pid;
    // Whoever only says so takes nothing away.
    for n in [1, 2] {
        fleet.write(hello(n)).await.unwrap();
        assert_eq!(fleet.opens(id(n), pid).await.unwrap().pairs, [pair(1)]);
    }
    fleet.persist(&opened(1, &[pair(1)])).await.unwrap();
    let taken = fleet.pair(pid).await.unwrap();
    assert_eq!((taken.state, taken.machine, taken.machines), (PairState::Used, Some(id(1)), 1));
    assert_eq!(fleet.opens(id(1), pid).await.unwrap().pairs, [pair(1)]);
    let refused = fleet.opens(id(2), pid).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::PSK_UNKNOWN);
    assert!(refused.message.contains(&id(1).to_string()) && refused.hint.contains("fleet rebind"), "{refused}");
    // The same computer with a new UUID.
    fleet.rebind(id(1), id(2), "somebody").await.unwrap();
    assert_eq!(fleet.opens(id(2), pid).await.unwrap().pairs, [pair(1)]);
    assert_eq!(fleet.pair(pid).await.unwrap().machine, Some(id(2)));
    // Or a pair that several hold after all.
    fleet.import_pairs(vec![secret(1, PairScope::Shared)]).await.unwrap();
    fleet.write(hello(3)).await.unwrap();
    assert_eq!(fleet.opens(id(3), pid).await.unwrap().pairs, [pair(1)]);
}

#[tokio::test]
async fn no_pair_that_a_machine_may_hold_is_lost() {
    let (_folder, fleet) = fleet().await;
    fleet.import_pairs(vec![secret(1, PairScope::Shared)]).await.unwrap();
    let (old, fresh) = (pair(1), pair(2));
    fleet.persist(&opened(1, &[old.clone(), fresh.clone()])).await.unwrap();
    let held = async || -> Vec<(PskPair, bool)> {
        let all = fleet.machine_pairs(id(1)).await.unwrap();
        all.into_iter().map(|own| (own.pair, own.retired_at.is_some())).collect()
    };
    assert_eq!(held().await, [(old.clone(), false), (fresh.clone(), false)]);
    // The machine took it; a record that says less makes nothing obsolete before the proof.
    fleet.persist(&opened(1, std::slice::from_ref(&fresh))).await.unwrap();
    assert_eq!(held().await, [(fresh.clone(), false), (old.clone(), false)]);
    let mut proven = opened(1, std::slice::from_ref(&fresh));
    proven.verified = true;
    fleet.persist(&proven).await.unwrap();
    assert_eq!(held().await, [(fresh.clone(), false), (old.clone(), true)]);
    // A setup that is begun anew has no journal; the pair that the machine holds is found all the same.
    fleet.write(super::super::BeginAgain(id(1))).await.unwrap();
    assert!(fleet.record(id(1)).await.unwrap().is_none());
    assert_eq!(fleet.opens(id(1), fresh.pid).await.unwrap().pairs, std::slice::from_ref(&fresh));
    // Even if the proof was wrong about the old one, and the vault forgot it.
    fleet.forget_pair(old.pid).await.unwrap();
    assert_eq!(fleet.opens(id(1), old.pid).await.unwrap().pairs, [old]);
    // Another machine that says it holds the pair of this one is not given it.
    fleet.write(hello(2)).await.unwrap();
    let refused = fleet.opens(id(2), fresh.pid).await.unwrap_err();
    assert!(refused.message.contains(&id(1).to_string()), "{refused}");
    assert!(fleet.opens(id(2), pair(3).pid).await.unwrap_err().message.contains("neither"));
}

#[tokio::test]
async fn a_sealed_pair_opens_only_in_its_row() {
    let (_folder, fleet) = fleet().await;
    fleet.persist(&opened(1, &[pair(1)])).await.unwrap();
    fleet.persist(&opened(2, &[pair(1)])).await.unwrap();
    struct Swap;
    impl Change for Swap {
        type Reply = ();
        async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
            let sql = "UPDATE machine_psk SET sealed = (SELECT sealed FROM machine_psk p WHERE p.machine <> machine_psk.machine)";
            sqlx::query(sql).execute(&mut *tx.connection).await.map(drop).map_err(failed("swap"))
        }
    }
    fleet.write(Swap).await.unwrap();
    assert_eq!(fleet.machine_pairs(id(1)).await.unwrap_err().code, ErrorCode::UNSEAL);
}
