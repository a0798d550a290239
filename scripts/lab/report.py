# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a transfer: a live table, and the account at the end."""


def megabits(bps):
    return f"{bps / 1e6:6.1f}"


def bar(part, width=24):
    filled = int(max(0.0, min(1.0, part)) * width)
    return "█" * filled + "·" * (width - filled)


class Screen:
    """Redrawn in place on a terminal; elsewhere a block of lines every five seconds."""

    def __init__(self, out):
        self.out, self.tty, self.lines, self.last = out, out.isatty(), 0, -5.0

    def show(self, lab, transfer, seconds):
        if not self.tty and seconds - self.last < 5:
            return
        self.last = seconds
        lines = [f"{seconds:6.1f} s   {len(lab.pops)} PoPs, {len(lab.peers)} peers, {transfer.size / 1e6:.1f} MB", ""]
        lines += peer_lines(lab) + [""] + tree_lines(lab, transfer.session) + [""]
        if self.tty and self.lines:
            self.out.write(f"\x1b[{self.lines}A\x1b[J")
        self.out.write("\n".join(lines) + "\n")
        self.out.flush()
        self.lines = len(lines)


def peer_lines(lab):
    lines = ["peer   PoP  progress                          Mbit/s    from CDN  direct   sent"]
    for peer in lab.peers:
        s = peer.status
        part = s.get("have", 0) / max(1, s.get("blocks", 1))
        rate = s.get("cdn_bps", 0) + s.get("direct_bps", 0)
        mark = "seed" if peer.seed else ("done" if peer.finished else f"{100 * part:3.0f}%")
        lines.append(f"{peer.name:6} {peer.pop.name:4} {bar(1.0 if peer.seed else part)} {mark:>5}  {megabits(rate)}  "
                     f"{s.get('cdn_bytes', 0) / 1e6:7.1f} {s.get('direct_bytes', 0) / 1e6:7.1f} MB {s.get('sent_bytes', 0) / 1e6:6.1f} MB")
    return lines


def trees_of(lab, session):
    for pop in lab.pops:
        try:
            status, body = pop.request("GET", f"/v1/sessions/{session}/trees", token=lab.operator)
            if status == 200:
                return body["trees"]
        except (OSError, ValueError):
            continue
    return []


def tree_lines(lab, session):
    lines = ["tree  status       rate / bound [B, C·M] Mbit/s          edges"]
    for tree in trees_of(lab, session):
        if tree["status"] != "ok":
            lines.append(f"{tree['root']:5} {tree['status']:11} {tree.get('reason', '')}")
            continue
        edges = " ".join(f"{edge['from']}→{edge['to']}" for edge in tree["edges"])
        lines.append(f"{tree['root']:5} {tree['status']:11} {megabits(tree.get('bps', 0))} / {megabits(tree['rate_bps'])} "
                     f"[{megabits(tree['min_bps'])}, {megabits(tree['max_bps'])}]   {edges}")
    return lines


def links(lab, samples):
    """Per directed CDN link: bytes counted at the router, mean and highest rate over a second, its budget."""
    first, last = samples[0], samples[-1]
    seconds = last[0] - first[0]
    rows = []
    for link, (_, total) in sorted(last[1].items()):
        start = first[1].get(link, (0, 0))[1]
        rates = [(b[1][link][1] - a[1].get(link, (0, 0))[1]) * 8 / (b[0] - a[0])
                 for a, b in zip(samples, samples[1:]) if b[0] - a[0] >= 0.9]
        rows.append({"from": link[0], "to": link[1], "bytes": total - start, "mean_bps": round((total - start) * 8 / seconds),
                     "peak_bps": round(max(rates, default=0)), "budget_bps": int(lab.link)})
    return rows


def dataplane_drops(counters):
    drops = {}
    for dataplane in counters.values():
        totals = dataplane.totals()
        for name, count in list(totals["packet_drops"].items()) + list(totals["copy_drops"].items()):
            if count:
                drops[name] = drops.get(name, 0) + count
    return drops


def crossed(lab, counters):
    """True when the router saw as many packets on every link as the dataplanes say they sent."""
    sent = sum(d.link(slot)["packets"] for d in counters.values() for slot in range(d.links))
    seen = sum(packets for packets, _ in lab.network.link_counters().values())
    return sent == seen, sent, seen


def summary(lab, transfer, steal, out):
    receivers, start = transfer.receivers, transfer.start_time
    floor, seconds, wrong = transfer.floor(), transfer.seconds(), transfer.wrong()
    counters = lab.counters()
    rows = links(lab, transfer.samples)
    same, sent, seen = crossed(lab, counters)
    conserved = all(c.conserved() for c in counters.values()) and same
    over = [row for row in rows if row["peak_bps"] > row["budget_bps"]]
    drops = dataplane_drops(counters)
    trees = trees_of(lab, transfer.session)
    delivered = len(receivers) - len(wrong)

    def say(text=""):
        print(text, file=out)

    say("peer   PoP   seconds   from CDN    direct   SHA-256")
    for peer in receivers:
        s = peer.status
        say(f"{peer.name:6} {peer.pop.name:4} {peer.finished - start:8.2f} {s.get('cdn_bytes', 0) / 1e6:7.1f} MB "
            f"{s.get('direct_bytes', 0) / 1e6:6.1f} MB   {'WRONG' if peer.name in wrong else 'equal'}")
    say()
    say("CDN link       bytes   mean Mbit/s   peak Mbit/s   budget")
    for row in rows:
        if row["bytes"]:
            say(f"{row['from']}→{row['to']} {row['bytes']:13,d} {megabits(row['mean_bps']):>13} {megabits(row['peak_bps']):>13} "
                f"{megabits(row['budget_bps']):>8}{'   OVER' if row in over else ''}")
    say()
    say("drops by name: " + (", ".join(f"{name} {count}" for name, count in sorted(drops.items())) or "none"))
    say(f"conservation:  {'holds in every dataplane' if conserved else 'BROKEN'}; on CDN links {sent} packets sent, {seen} seen by the router")
    say(f"delivered {delivered} of {len(receivers)} exact files in {seconds:.2f} s; no scheme can do it in less than {floor:.2f} s "
        f"(file over seeds' uplink): {seconds / floor:.3f} times the floor")
    if steal > 0.02:
        say(f"the hypervisor took {100 * steal:.0f} % of this machine's time meanwhile")
    return {"pops": len(lab.pops), "peers": len(lab.peers), "delivered": delivered, "sha256_ok": not wrong,
            "seconds": round(seconds, 3), "floor_seconds": round(floor, 3), "ratio_to_floor": round(seconds / floor, 4),
            "trees": trees, "links": rows, "links_ok": not over, "drops": drops, "conservation_ok": conserved,
            "peer_seconds": {peer.name: round(peer.finished - start, 3) for peer in receivers}, "steal": round(steal, 3)}

