"""Clients of a running shop for tests: some ask without pause, some buy without pause; what goes wrong is kept.

Opens a connection per request, so that a fault is the product's and never that of a connection kept too long.
"""

import http.client
import json
import threading
import time
import uuid

from processes import ROOTS

# One query of all subgraphs.
QUERY = "{ " + " ".join(text.strip("{} ").replace("{", "{", 1) + " }" for text in ROOTS.values()) + " }"
LOGIN = """mutation { userLogin(input: { email: "ada@hansa.example", password: "demo-password-1" }) { tokens { accessToken } } }"""
SHELF = "{ products(first: 20) { nodes { variants(first: 1) { nodes { id quantityAvailable } } } } }"
PLACE = """mutation($input: OrderCreateInput!) { orderCreate(input: $input) { order { id } userErrors { code message } } }"""
PAY = """mutation($input: OrderPayInput!) { orderPay(input: $input) { order { id } userErrors { code message } } }"""
ORDER = "query($id: ID!) { order(id: $id) { status payments { status } } }"
ADDRESS = {"name": "Ada", "line1": "Street 1", "city": "Berlin", "countryCode": "DE"}
# Longest time that an order may take to be reserved, or to be paid: what a pod had begun when it ended is left alone for 15 s
# (its lease), and a payment that got no clear answer is asked about again and again.
ORDER_SECONDS_MAX = 90


class Fault(Exception):
    """An answer that no client should get."""


def ask(address, query, variables=None, token=None):
    """The data of an answer without errors; everything else is a `Fault`."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    try:
        connection = http.client.HTTPConnection(address, 80, timeout=20)
        connection.request("POST", "/graphql", json.dumps({"query": query, "variables": variables}), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Fault(f"{type(error).__name__}: {error}") from error
    if response.status != 200 or "errors" in answer:
        raise Fault(f"{response.status}: {json.dumps(answer)[:400]}")
    return answer["data"]


class Load:
    """Clients of the router at `address`, which `start` adds; they work until the block ends."""

    def __init__(self, address):
        self.address = address
        self.stopped, self.lock = threading.Event(), threading.Lock()
        self.faults, self.answered, self.orders = [], 0, []
        self.token = ask(address, LOGIN)["userLogin"]["tokens"]["accessToken"]
        self.threads = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def start(self, work, clients):
        """So many clients more that do `work`, `ask` or `buy`, again and again."""
        added = [threading.Thread(target=self.until_stopped, args=(work,)) for _ in range(clients)]
        self.threads += added
        for thread in added:
            thread.start()

    def until_stopped(self, work):
        while not self.stopped.is_set():
            try:
                work()
            except Fault as fault:
                with self.lock:
                    self.faults.append(str(fault))

    def ask(self, query=QUERY, variables=None, token=None):
        try:
            return ask(self.address, query, variables, token)
        finally:
            with self.lock:
                self.answered += 1

    def run(self, requests):
        """Waits until so many more requests are answered."""
        wanted = self.answered + requests
        deadline = time.monotonic() + 120
        while self.answered < wanted:
            assert time.monotonic() < deadline, f"{self.answered} of {wanted} requests"
            time.sleep(0.02)

    # Buying.

    def buy(self):
        """One of whatever is there most of: ordered, paid, and awaited."""
        shelf = self.ask(SHELF)["products"]["nodes"]
        variants = [variant for product in shelf for variant in product["variants"]["nodes"]]
        variant = max(variants, key=lambda variant: variant["quantityAvailable"])
        lines = [{"variantId": variant["id"], "quantity": 1}]
        order = self.command("orderCreate", PLACE, {"lines": lines, "shippingAddress": ADDRESS})
        with self.lock:
            self.orders.append(order)
        self.await_status(order, "AWAITING_PAYMENT", passing={"PENDING"})
        self.command("orderPay", PAY, {"orderId": order, "paymentMethodToken": "tok_ok"})
        self.await_status(order, "PAID", passing={"AWAITING_PAYMENT", "PAYMENT_PROCESSING"})

    def command(self, field, mutation, given):
        """Sent once: a client that must send again because an answer was lost is what this looks for."""
        payload = self.ask(mutation, {"input": {"idempotencyKey": str(uuid.uuid4())} | given}, self.token)[field]
        if payload["userErrors"]:
            raise Fault(f"{field}: {payload['userErrors']}")
        return payload["order"]["id"]

    def await_status(self, order, wanted, passing):
        deadline = time.monotonic() + ORDER_SECONDS_MAX
        while (status := self.ask(ORDER, {"id": order}, self.token)["order"]["status"]) != wanted:
            if status not in passing or time.monotonic() > deadline:
                raise Fault(f"order {order} is {status}, not {wanted}")
            time.sleep(0.05)

    def check_books(self):
        """Once the clients have stopped: an order is paid and was paid once, or it is neither."""
        for order in self.orders:
            found = ask(self.address, ORDER, {"id": order}, self.token)["order"]
            captured = [payment["status"] for payment in found["payments"]].count("CAPTURED")
            assert captured == (found["status"] == "PAID"), f"order {order}: {found}"
