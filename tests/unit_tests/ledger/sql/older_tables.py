"""Tables as older versions of the library left them."""


def older(connection):
    """Make a database what version 1 left behind."""
    connection.exec_driver_sql("drop index ledger_entries_closed")
    connection.exec_driver_sql("alter table ledger_accounts drop column keep")
    for name in ("written_off", "allowed", "explored", "reserved_at"):
        connection.exec_driver_sql(f"alter table ledger_entries drop column {name}")
    connection.exec_driver_sql("alter table ledger_totals drop column allowance")
    sums = ("floored", "feedbacks", "scores", "floor_drift", "floor_debt", "floor_steps", "unheard")
    for name in (*sums, "explored", "explored_spent"):
        connection.exec_driver_sql(f"alter table ledger_totals drop column {name}")
    for name in ("target_accuracy", "floor_price", "floor_slope", "floor_lowest"):
        connection.exec_driver_sql(f"alter table ledger_accounts drop column {name}")
    for table in ("ledger_scores", "ledger_comparisons", "ledger_alarms"):
        connection.exec_driver_sql(f"drop table {table}")
    connection.exec_driver_sql("update ledger_schema set version = 1")
