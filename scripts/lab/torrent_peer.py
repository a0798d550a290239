# SPDX-License-Identifier: Apache-2.0
"""A peer of a torrent by libtorrent, over TCP alone. It says `ready`, waits for SIGUSR1, is told its partners, and then
downloads or seeds until it is ended. One JSON object a line.
usage: torrent_peer.py TORRENT FOLDER ADDRESS seed|get PARTNER..."""

import json
import signal
import sys

import libtorrent

PORT, UPLOADS = 6881, 5


def say(**words):
    print(json.dumps(words), flush=True)


def main():
    torrent, folder, address, role, *partners = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    session = libtorrent.session({
        "listen_interfaces": f"{address}:{PORT}", "outgoing_interfaces": address, "alert_mask": libtorrent.alert.category_t.status_notification,
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False, "unchoke_slots_limit": UPLOADS})
    parameters = libtorrent.add_torrent_params()
    parameters.ti = libtorrent.torrent_info(torrent)
    parameters.save_path = folder
    parameters.flags &= ~(libtorrent.torrent_flags.auto_managed | libtorrent.torrent_flags.paused)
    if role == "seed":
        parameters.flags |= libtorrent.torrent_flags.seed_mode
        handle = session.add_torrent(parameters)
    say(ready=True)
    signal.sigwait({signal.SIGUSR1})
    if role == "get":
        handle = session.add_torrent(parameters)
        for partner in partners:
            handle.connect_peer((partner, PORT))
    while True:
        session.wait_for_alert(500)
        status = handle.status()
        if any(isinstance(alert, libtorrent.torrent_finished_alert) for alert in session.pop_alerts()) and role == "get":
            handle.flush_cache()
            say(done=True)
        say(have=status.num_pieces, blocks=parameters.ti.num_pieces(), sent_bytes=status.total_upload)


main()
