#!/usr/bin/env python3
"""What requests cost, end to end: the CPU of kalends and of its PostgreSQL together, per request, from /proc.

usage: cost.py put [TIMES]       PUT of a single event and of series, new and with other times: a ratio to the single event
       cost.py query [TIMES [SIZES]]   a week's query and free-busy on calendars of so many series of one kind, 1000,10000
       cost.py stream CALENDAR   PROPFIND, multiget, sync and GET of a whole calendar: first octet, CPU, growth of memory
       cost.py gone CALENDAR SOCKET    hangs up in the middle of a sync, and asks pg_stat_activity by the socket in that folder
       cost.py shares [TIMES]    poll and home of who has 50 calendars shared by 50 owners, beside who has none, and 50 more of their own
       cost.py export CALENDAR   a whole calendar (user bench1) by GET and by ?export: first octet, CPU, growth of memory
kalends.sh beside this file starts and stops the server; `put`, `query` and `shares` begin with `kalends.sh wipe`.
"""
import os, re, socket, subprocess, sys, time

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kalends.sh")
PORT, HOME = 15231, "/dav/calendars/bench1/"
KINDS = {
    "single": "",
    "daily, open": "RRULE:FREQ=DAILY\r\n",
    "weekly, open": "RRULE:FREQ=WEEKLY\r\n",
    "weekly on 3 days, open": "RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR\r\n",
    "monthly, open": "RRULE:FREQ=MONTHLY\r\n",
    "yearly, open": "RRULE:FREQ=YEARLY\r\n",
    "weekly, 10 times": "RRULE:FREQ=WEEKLY;COUNT=10\r\n",
    "daily, 300 times": "RRULE:FREQ=DAILY;COUNT=300\r\n",
}


def script(verb):
    return subprocess.run([SCRIPT, verb], check=True, capture_output=True, text=True).stdout.strip()


def tree(roots):
    parent = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent[int(pid)] = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    for pid in parent:
        at = pid
        while at in parent and at not in roots:
            at = parent[at]
        if at in roots:
            yield pid


def spent(pid):
    """Nanoseconds that the threads of a process have run: the ticks of stat are 10 ms."""
    total = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            total += int(open(f"/proc/{pid}/task/{thread}/schedstat").read().split()[0])
    except OSError:
        pass
    return total


class Server:
    """A running kalends, one connection to it, and what both have cost so far."""

    def __init__(self):
        self.pids = [int(pid) for pid in script("pids").split(",")]
        self.socket = socket.create_connection(("127.0.0.1", PORT))
        self.reader = self.socket.makefile("rb")

    def cpu(self):
        return sum(map(spent, tree(self.pids))) / 1e9

    def memory(self):
        return int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{self.pids[0]}/status").read())[1])

    def ask(self, method, path, body="", first=None, user="bench1", **headers):
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"X-Forwarded-User: {user}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        octets = body.encode()
        lines += [f"Content-Length: {len(octets)}", "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + octets)
        status = int(self.reader.readline().split()[1])
        head = {}
        while (line := self.reader.readline().strip()):
            name, value = line.decode().split(": ", 1)
            head[name.lower()] = value
        if first:
            first()
        if "content-length" in head:
            return status, self.reader.read(int(head["content-length"]))
        pieces = []
        while head.get("transfer-encoding") == "chunked":
            size = int(self.reader.readline(), 16)
            pieces.append(self.reader.read(size))
            self.reader.readline()
            if not size:
                break
        return status, b"".join(pieces)

    def cost(self, times, request):
        """CPU microseconds of one request of many."""
        request(0)
        before = self.cpu()
        for n in range(times):
            request(n)
        return (self.cpu() - before) / times * 1e6


def event(uid, rule, hour=9, day=5):
    return (f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n"
            f"DTSTART;TZID=Europe/Berlin:202601{day:02}T{hour:02}0000\r\nDURATION:PT1H\r\n{rule}SUMMARY:A meeting\r\n"
            f"END:VEVENT\r\nEND:VCALENDAR\r\n")


def put(times):
    print("| PUT | new, µs | ratio | other times, µs | ratio |\n|---|---|---|---|---|")
    base = None
    for kind, rule in KINDS.items():
        # Each in a database of its own, so that none pays for what another left to be cleaned up.
        script("wipe")
        script("start")
        server = Server()

        def store(n, turn):
            status, body = server.ask("PUT", f"{HOME}calendar/e{n}.ics", event(f"e{n}", rule, 9 + turn), Content_Type="text/calendar")
            assert status in (201, 204), (status, body)

        found = [server.cost(times, lambda n, turn=turn: store(n, turn)) for turn in range(2)]
        base = base or found
        print(f"| {kind} | {found[0]:.0f} | {found[0] / base[0]:.2f} | {found[1]:.0f} | {found[1] / base[1]:.2f} |", flush=True)
        script("stop")


def report(server, name, week, cal):
    start, end = "20261109T000000Z", f"202611{9 + 7 * week:02}T000000Z"
    span = f'<C:time-range start="{start}" end="{end}"/>'
    spaces = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
    filtered = f'<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">{span}</C:comp-filter></C:comp-filter></C:filter>'
    body = f"<C:calendar-query {spaces}><D:prop><D:getetag/></D:prop>{filtered}</C:calendar-query>"
    if name == "free-busy":
        body = f"<C:free-busy-query {spaces}>{span}</C:free-busy-query>"
    status, answer = server.ask("REPORT", HOME + cal + "/", body, Depth="1", Content_Type="application/xml")
    assert status in (200, 207), (status, answer)
    return answer.count(b"<D:response>") or answer.count(b"<response>") or answer.count(b"FREEBUSY;")


def query(times, sizes):
    print("| calendar | week's query, µs | answers | free-busy of a week, µs | periods |\n|---|---|---|---|---|")
    script("wipe")
    script("start")
    server = Server()
    for kind in ("single", "daily, open", "weekly, open", "monthly, open", "yearly, open"):
        for size in sizes:
            cal = re.sub("[^a-z]", "", kind) + str(size)
            assert server.ask("MKCALENDAR", HOME + cal + "/")[0] == 201
            for n in range(size):
                text = event(f"{cal}-{n}", KINDS[kind], 7 + n % 12, 5 + n // 12 % 7)
                # Single ones all over the year that is asked about, series from the year before on.
                text = text.replace("Berlin:202601", f"Berlin:{2026 if kind == 'single' else 2025}{1 + n // 84 % 12:02}")
                status, body = server.ask("PUT", f"{HOME}{cal}/e{n}.ics", text, Content_Type="text/calendar")
                assert status == 201, (status, body)
            found = []
            for name in ("query", "free-busy"):
                count = report(server, name, 1, cal)
                turns = max(5, times // max(1, count // 20))
                found += [f"{server.cost(turns, lambda n: report(server, name, 1, cal)):.0f}", str(count)]
            print(f"| {size:,} {kind} | {' | '.join(found)} |", flush=True)
    script("stop")


def export(cal):
    print("| export of " + cal + " | first octet, ms | all, ms | MB | CPU, ms | memory grew by, MiB |\n|---|---|---|---|---|---|")
    for path in ("", "?export"):
        script("start")
        server = Server()
        server.ask("GET", HOME + "c100/")
        memory, cpu, start, first = server.memory(), server.cpu(), time.monotonic(), []
        status, answer = server.ask("GET", f"{HOME}{cal}/{path}", first=lambda: first.append(time.monotonic()))
        assert status == 200, (status, answer[:200])
        took = [(at - start) * 1e3 for at in (first[0], time.monotonic())]
        print(f"| GET {path} | {took[0]:.1f} | {took[1]:.0f} | {len(answer) / 1e6:.1f} | {(server.cpu() - cpu) * 1e3:.0f} | "
              f"{(server.memory() - memory) / 1024:.1f} |", flush=True)
        script("stop")


SPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
PROP = "<D:prop><D:getetag/>%s</D:prop>"
LIST = f"<D:propfind {SPACES}>{PROP % ''}</D:propfind>"
SYNC = f"<D:sync-collection {SPACES}><D:sync-token/><D:sync-level>1</D:sync-level>%s</D:sync-collection>"


def drain(server, method, path, body, depth="0"):
    """Reads the answer as it comes and keeps nothing of it: first octet in ms, octets, and how often each mark was in it."""
    sent = time.monotonic()
    octets = body.encode()
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "X-Forwarded-User: bench1", f"Depth: {depth}", "Connection: close"]
    head += ["Content-Type: application/xml", f"Content-Length: {len(octets)}", "", ""]
    link = socket.create_connection(("127.0.0.1", PORT))
    link.sendall("\r\n".join(head).encode() + octets)
    piece, first, total, ends, tail = link.recv(1 << 16), None, 0, 0, b""
    first = (time.monotonic() - sent) * 1000
    assert piece.startswith((b"HTTP/1.1 200", b"HTTP/1.1 207")), piece[:200]
    mark = b"END:VEVENT" if method == "GET" else b"</D:response>"
    while piece:
        total += len(piece)
        ends += (tail + piece).count(mark)
        tail = piece[-len(mark) + 1:]
        piece = link.recv(1 << 16)
    return first, total, ends


def multiget(server, cal, most):
    _, answer = server.ask("PROPFIND", HOME + cal + "/", LIST, Depth="1")
    names = re.findall(rb"<D:href>([^<]+\.ics)</D:href>", answer)[:most]
    hrefs = "".join(f"<D:href>{name.decode()}</D:href>" for name in names)
    return f"<C:calendar-multiget {SPACES}>{PROP % '<C:calendar-data/>'}{hrefs}</C:calendar-multiget>"


def answers(cal):
    script("start")
    few = multiget(Server(), "c10000", 5000)
    script("stop")
    data = PROP % "<C:calendar-data/>"
    yield "PROPFIND, ETags", "PROPFIND", cal, LIST, "1"
    yield "multiget of 5,000", "REPORT", "c10000", few, "1"
    yield "sync, ETags", "REPORT", cal, SYNC % (PROP % ""), "0"
    yield "sync, whole objects", "REPORT", cal, SYNC % data, "0"
    yield "GET", "GET", cal, "", "0"


def stream(cal):
    print(f"| {cal} | first octet, ms | MB | told of | CPU, ms | memory grew by, MiB |\n|---|---|---|---|---|---|")
    for name, method, where, body, depth in answers(cal):
        script("start")
        server = Server()
        server.ask("GET", HOME + "c100/")
        memory, cpu = server.memory(), server.cpu()
        first, total, ends = drain(server, method, f"{HOME}{where}/", body, depth)
        cpu, grew = (server.cpu() - cpu) * 1000, (server.memory() - memory) / 1024
        print(f"| {name} | {first:.0f} | {total / 1e6:.0f} | {ends:,} | {cpu:.0f} | {grew:.1f} |", flush=True)
        script("stop")


def gone(cal, folder):
    script("start")
    look = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%FROM object%' AND pid <> pg_backend_pid()"
    owner = os.stat(folder).st_uid
    ask = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups", "psql", "-XAtq", "-h", folder, "-U", "kalends", "-d", "kalends", "-c", look]
    running = lambda: int(subprocess.run(ask, check=True, capture_output=True, text=True, cwd="/").stdout)
    body = (SYNC % (PROP % "<C:calendar-data/>")).encode()
    link = socket.create_connection(("127.0.0.1", PORT))
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    head = f"REPORT {HOME}{cal}/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-User: bench1\r\nContent-Type: application/xml\r\n"
    link.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    link.recv(1000)
    time.sleep(0.3)
    print(f"statements while the client does not read: {running()}")
    link.close()
    closed = time.monotonic()
    while running() and time.monotonic() - closed < 10:
        time.sleep(0.01)
    print(f"{running()} are left {(time.monotonic() - closed) * 1000:.0f} ms after it went away")
    script("stop")


SHARING = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"'
LISTED = "<D:resourcetype/><D:displayname/><S:getctag/><D:sync-token/><D:current-user-privilege-set/><C:supported-calendar-component-set/>"


def fill(server, user, calendars):
    for cal in calendars:
        path = f"/dav/calendars/{user}/{cal}/"
        assert server.ask("MKCALENDAR", path, user=user)[0] == 201
        for n in range(10):
            assert server.ask("PUT", f"{path}e{n}.ics", event(f"{cal}-{n}", ""), user=user, Content_Type="text/calendar")[0] == 201


def shares(times):
    script("wipe")
    script("start")
    server = Server()
    people = {"none": 10, "more": 60, "shares": 10}
    for user, count in people.items():
        fill(server, user, [f"c{n}" for n in range(count)])
    for n in range(50):
        owner = f"owner{n}"
        fill(server, owner, ["team"])
        body = f"<S:share {SHARING}><S:set><D:href>/dav/principals/shares/</D:href><S:read-write/></S:set></S:share>"
        status, answer = server.ask("POST", f"/dav/calendars/{owner}/team/", body, user=owner, Content_Type="application/xml")
        assert status == 200, (status, answer)

    def asked(user, cal, prop, depth):
        body = f"<D:propfind {SHARING}><D:prop>{prop}</D:prop></D:propfind>"
        status, answer = server.ask("PROPFIND", f"/dav/calendars/{user}/{cal}", body, user=user, Depth=depth, Content_Type="application/xml")
        assert status == 207, (status, answer)
        return answer

    listed = asked("shares", "", LISTED, "1").decode()
    theirs = [name for name in re.findall("/dav/calendars/shares/([^/]+)/<", listed) if not re.fullmatch(r"c\d+|calendar|tasks|inbox|outbox|notifications", name)]
    assert len(theirs) == 50, (len(theirs), theirs)
    poll = "<S:getctag/><D:sync-token/>"
    wanted = {
        "poll, one's own of who has none": lambda _: asked("none", "c1/", poll, "0"),
        "poll, one's own of who has 50 shares": lambda _: asked("shares", "c1/", poll, "0"),
        "poll, a shared one": lambda n: asked("shares", theirs[n % 50] + "/", poll, "0"),
        "home of 10": lambda _: asked("none", "", LISTED, "1"),
        "home of 10, and 50 shares of 50 owners": lambda _: asked("shares", "", LISTED, "1"),
        "home of 60 of one's own": lambda _: asked("more", "", LISTED, "1"),
        "home alone, of 10": lambda _: asked("none", "", poll, "0"),
        "home alone, of 10 and 50 shares": lambda _: asked("shares", "", poll, "0"),
        "home alone, of 60": lambda _: asked("more", "", poll, "0"),
    }
    # By turns, so that whatever else the machine does meets all of them.
    rounds = [{name: server.cost(times, request) for name, request in wanted.items()} for _ in range(5)]
    print("| | CPU, µs |\n|---|---|")
    for name in wanted:
        print(f"| {name} | {sorted(found[name] for found in rounds)[2]:.0f} |", flush=True)
    script("stop")


verb, given = (sys.argv + [""])[1], sys.argv[2:]
if verb == "put":
    put(int(given[0]) if given else 2000)
elif verb == "query":
    query(int(given[0]) if given else 300, [int(size) for size in given[1].split(",")] if given[1:] else [1000, 10000])
elif verb == "shares":
    shares(int(given[0]) if given else 500)
elif verb == "export":
    export(given[0])
elif verb == "stream":
    stream(given[0])
elif verb == "gone":
    gone(*given)
else:
    sys.exit(__doc__)
