"""The statements on the charges and the sums of a ledger, by name; `:of` is the ledger."""

from adaptive_reasoner.ledger.comparisons import ComparedAnswer
from adaptive_reasoner.ledger.entries import Entry
from adaptive_reasoner.ledger.price_controller import CARRIED, Totals
from adaptive_reasoner.policy.alarm import Alarm

_TEXTS = {
    # With what is held, which may have changed since the ledger was opened.
    "read_sums": """
        select
            count(*),
            (select target from ledger_accounts where ledger = :of),
            (select target_accuracy from ledger_accounts where ledger = :of),
            (select floor_price from ledger_accounts where ledger = :of),
            {sums}
        from ledger_totals where ledger = :of and period = :within""",
    # The sums over the other charges of a question, and the charge itself, as one row.
    "read_charge": """
        select others.*, {columns} from (
            select
                count(case when status = 'open' then 1 end) as open,
                count(case when status in ('settled', 'expired') then 1 end) as booked,
                cast(coalesce(sum(case when status in ('settled', 'expired') then cost end), 0) as bigint)
                    as spent,
                cast(coalesce(sum(case when status = 'open' then expected end), 0) as bigint) as reserved,
                cast(coalesce(sum(written_off), 0) as bigint) as off,
                cast(coalesce(sum(allowed), 0) as bigint) as own,
                cast(coalesce(sum(case when status in ('settled', 'expired') then explored end), 0) as bigint)
                    as drawn
            from ledger_entries
            where ledger = :of and question = :asked and period = :within and key != :named
        ) as others left join ledger_entries on ledger = :of and key = :named""",
    "lock_account": "select ledger from ledger_accounts where ledger = :of for update",
    # What a new period begins with.
    "last_sums": """
        select {carried} from ledger_totals where ledger = :of
        group by period order by period desc limit 1""",
    "begin_sums": """
        insert into ledger_totals (ledger, period, part, allowance, {begun})
        values (:of, :within, :part, :allowance, {begins})""",
    "add_to_first": """
        update ledger_totals set {added} where ledger = :of and period = :within and part = 0""",
    # To a row of sums that no transaction has locked, or else to the first; its transaction ends soon.
    "add_to_free": """
        update ledger_totals set {added} where ledger = :of and period = :within and part = coalesce(
            (select part from ledger_totals where ledger = :of and period = :within
             limit 1 for update skip locked), 0)""",
    # The same to a row whose allowance has the room; a division by 0 undoes the transaction if none has. The
    # row is chosen in a query of its own, which is not repeated if the row has changed since it began.
    "add_within": """
        with fitting as materialized (select coalesce(
            (select part from ledger_totals
             where ledger = :of and period = :within and allowance - spent - held >= :needs
             limit 1 for update skip locked),
            (select part from ledger_totals
             where ledger = :of and period = :within and allowance - spent - held >= :needs
             order by random() limit 1 for update),
            1 / cast(0 * random() as integer)) as chosen)
        update ledger_totals set {added} from fitting
        where ledger = :of and period = :within and part = chosen""",
    # Alone: to the first row, with what is left of the cap for it; and an equal part for each of the others.
    "add_alone": """
        update ledger_totals set {added}, allowance = spent + :spent + held + :held + :left
        where ledger = :of and period = :within and part = 0""",
    "share_out": """
        update ledger_totals set allowance = spent + held + :share
        where ledger = :of and period = :within and part > 0
        and allowance is distinct from spent + held + :share""",
    "take_back": """
        update ledger_totals set allowance = spent + held where ledger = :of and allowance is not null""",
    "lock_question": """
        select pg_advisory_xact_lock_shared(hashtextextended(:of, 1)),
        pg_advisory_xact_lock(hashtextextended(:of || chr(31) || :asked, 0))""",
    "lock_all_questions": "select pg_advisory_xact_lock(hashtextextended(:of, 1))",
    "insert_entry": "insert into ledger_entries (ledger, {columns}) values (:of, {values})",
    "drop_entry": "delete from ledger_entries where ledger = :of and key = :named",
    "change_entry": """
        update ledger_entries set status = :status, cost = :cost, worst = :worst,
        written_off = :written_off, allowed = :allowed where ledger = :of and key = :named""",
    # In these, `status` is compared as in the partial indexes, or they are not used.
    "read_due": """
        select {columns} from ledger_entries
        where ledger = :of and status = 'open' and expires_at <= :now order by expires_at limit :most""",
    "read_closed": """
        select status, action, expected, cost from ledger_entries
        where ledger = :of and status != 'open' order by expires_at desc limit :most""",
    "read_open": """
        select action, count(*), cast(sum(expected) as bigint) from ledger_entries
        where ledger = :of and status = 'open' group by action""",
    "forget": """
        delete from ledger_entries where number in (
            select number from ledger_entries
            where ledger = :of and status != 'open' and expires_at <= :before
            order by expires_at limit :most)""",
    "read_latest": """
        select {columns} from ledger_entries where ledger = :of order by number desc limit :most""",
    "read_score": "select score from ledger_scores where ledger = :of and question = :asked",
    "put_score": """
        insert into ledger_scores (ledger, question, score, graded_at)
        values (:of, :asked, :score, :now)
        on conflict (ledger, question)
        do update set score = excluded.score, graded_at = excluded.graded_at""",
    "forget_scores": "delete from ledger_scores where ledger = :of and graded_at <= :before",
    "put_comparison": """
        insert into ledger_comparisons (ledger, {compared}) values (:of, {comparing})
        on conflict (ledger, key) do update set {revised}""",
    "read_comparisons": "select {compared} from ledger_comparisons where ledger = :of order by at, key",
    "read_scores_since": """
        select question, score from ledger_scores
        where ledger = :of and graded_at >= :moment order by graded_at""",
    "put_alarm": """
        insert into ledger_alarms (ledger, {alarm}) values (:of, {alarming})
        on conflict (ledger, policy_id, series, direction, at) do nothing""",
    "read_alarms": "select {alarm} from ledger_alarms where ledger = :of order by at, series",
    "drop_alarms": "delete from ledger_alarms where ledger = :of and policy_id = :policy",
    "recap": "update ledger_accounts set hard_cap = :cap where ledger = :of",
    "retarget": """
        update ledger_accounts
        set target = :target, target_accuracy = :target_accuracy, floor_price = :floor_price
        where ledger = :of""",
    "clear_entries": "delete from ledger_entries where ledger = :of",
    "clear_sums": "delete from ledger_totals where ledger = :of",
    "clear_scores": "delete from ledger_scores where ledger = :of",
    "clear_comparisons": "delete from ledger_comparisons where ledger = :of",
    "clear_alarms": "delete from ledger_alarms where ledger = :of",
}
STATEMENTS = {
    name: text.format(
        columns=", ".join(Entry.__slots__),
        values=", ".join(f":{name}" for name in Entry.__slots__),
        sums=", ".join(f"cast(sum({name}) as bigint)" for name in Totals.__slots__),
        carried=", ".join(f"cast(sum({name}) as bigint)" for name in CARRIED),
        begun=", ".join(CARRIED),
        begins=", ".join(f":{name}" for name in CARRIED),
        compared=", ".join(ComparedAnswer.__slots__),
        comparing=", ".join(f":{name}" for name in ComparedAnswer.__slots__),
        revised=", ".join(f"{name} = excluded.{name}" for name in ComparedAnswer.__slots__ if name != "key"),
        alarm=", ".join(Alarm.__slots__),
        alarming=", ".join(f":{name}" for name in Alarm.__slots__),
        added=", ".join(f"{name} = {name} + :{name}" for name in Totals.__slots__),
    )
    for name, text in _TEXTS.items()
}
