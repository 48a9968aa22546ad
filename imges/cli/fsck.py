"""`imges fsck`: whether every picture has its files and every file its picture, and how that is mended."""

import click

from imges.cli.common import settings_option
from imges.cli.upkeep import end_dead_lease, with_tools
from imges.maintenance.findings import Findings
from imges.maintenance.fsck import Checks
from imges.maintenance.fsck import fsck as check
from imges.maintenance.tools import Tools
from imges.settings import Settings


@click.command()
@click.option("--repair", is_flag=True, help="Put right what can be; without it nothing is changed.")
@click.option("--digests", is_flag=True, help="Read every file and compare its bytes, not its size alone.")
@click.option("--give-up", is_flag=True, help="With --repair, give pictures up even where most of a storage are lost.")
@settings_option
def fsck(settings: Settings, *, repair: bool, digests: bool, give_up: bool) -> None:
    """Compare the catalog with the storages, both ways. May run beside a running server.

    Exits with 0 when nothing is wrong (any more), with 1 while something is.
    """
    checks = Checks(repair=repair, digests=digests, give_up=give_up)

    async def use(tools: Tools) -> Findings:
        await end_dead_lease(tools)
        return await check(tools, checks)

    findings = with_tools(settings, use)
    for note, count in sorted(findings.notes.items()):
        click.echo(f"note: {count} {note}")
    click.echo(_verdict(findings))
    if findings.left:
        raise SystemExit(1)


def _verdict(findings: Findings) -> str:
    if not findings.left:
        return f"all {findings.mended} mended; nothing is wrong now" if findings.mended else "nothing is wrong"
    if findings.repair:
        return f"{findings.mended} mended, {findings.left} still wrong"
    return f"{findings.left} wrong; `imges fsck --repair` does what is told above"
