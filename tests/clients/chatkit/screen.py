"""What a ChatKit page does with a stream: it builds items out of events, and so finds events that make no sense."""

from judge import Wrong


class Screen:
    """The items of one thread, as a page shows them."""

    def __init__(self):
        self.thread = None
        self.items = {}
        self.open = {}
        self.error = None
        self.seen = []

    def begin(self):
        """Another stream begins."""
        self.open, self.error, self.seen = {}, None, []

    def event(self, event: dict):
        kind = event["type"]
        self.seen.append(kind)
        handler = getattr(self, "on_" + kind.replace(".", "_"), None)
        if handler:
            handler(event)

    def end(self):
        """The body is over."""
        if self.open and self.error is None:
            raise Wrong(f"never finished: {sorted(self.open)}")
        if self.error is None and self.seen.count("stream_options") != 1:
            raise Wrong(f"stream_options must come once: {self.seen}")

    def on_thread_created(self, event):
        if self.seen != ["thread.created"]:
            raise Wrong("thread.created must come first")
        self.on_thread_updated(event)

    def on_thread_updated(self, event):
        if event["thread"]["items"] != {"data": [], "has_more": False}:
            raise Wrong("a thread inside an event has an empty page of items")
        self.thread = event["thread"]

    def on_thread_item_added(self, event):
        item = event["item"]
        if item["id"] in self.items or item["id"] in self.open:
            raise Wrong(f"{item['id']} is used twice")
        self.open[item["id"]] = item

    def on_thread_item_updated(self, event):
        item = self.open.get(event["item_id"])
        if item is None:
            raise Wrong(f"an update of {event['item_id']}, which is not open")
        Update(item).apply(event["update"])

    def on_thread_item_done(self, event):
        item = event["item"]
        begun = self.open.pop(item["id"], None)
        if begun is None and item["id"] in self.items:
            raise Wrong(f"{item['id']} is finished twice")
        if begun:
            self.finished(begun, item)
        self.items[item["id"]] = item

    def on_thread_item_replaced(self, event):
        item = event["item"]
        if item["id"] not in self.items:
            raise Wrong(f"{item['id']} is replaced before it is there")
        self.items[item["id"]] = item

    def on_thread_item_removed(self, event):
        self.items.pop(event["item_id"], None)
        self.open.pop(event["item_id"], None)

    def on_error(self, event):
        self.error = event

    @staticmethod
    def finished(begun, item):
        """What was streamed is what is there in the end."""
        for key in ("type", "created_at", "thread_id"):
            if begun[key] != item[key]:
                raise Wrong(f"{key} of {item['id']} was {begun[key]}, is {item[key]}")
        if item["type"] == "assistant_message":
            shown = [part["text"] for part in begun["content"]]
            final = [part["text"] for part in item["content"]]
            notes = [part["annotations"] for part in begun["content"]]
            if shown != final or notes != [part["annotations"] for part in item["content"]]:
                raise Wrong(f"the page was shown {begun['content']}, and finished is {item['content']}")
        if item["type"] == "workflow" and begun["workflow"]["tasks"] != item["workflow"]["tasks"]:
            raise Wrong(f"tasks were {begun['workflow']['tasks']}, are {item['workflow']['tasks']}")


class Update:
    """One update of an open item."""

    def __init__(self, item):
        self.item = item

    def apply(self, update):
        kind, _, rest = update["type"].partition(".")
        if not self.item["type"].startswith(kind):
            raise Wrong(f"{update['type']} for a {self.item['type']}")
        getattr(self, f"{kind}_{rest.replace('.', '_')}")(update)

    def part(self, update):
        content = self.item["content"]
        if update["content_index"] >= len(content):
            raise Wrong(f"part {update['content_index']} was not added")
        return content[update["content_index"]]

    def assistant_message_content_part_added(self, update):
        append(self.item["content"], update["content_index"], update["content"])

    def assistant_message_content_part_text_delta(self, update):
        if not update["delta"]:
            raise Wrong("an empty delta")
        self.part(update)["text"] += update["delta"]

    def assistant_message_content_part_annotation_added(self, update):
        append(self.part(update)["annotations"], update["annotation_index"], update["annotation"])

    def assistant_message_content_part_done(self, update):
        if self.part(update)["text"] != update["content"]["text"]:
            raise Wrong("a finished part is not the sum of its deltas")

    def widget_root_updated(self, update):
        self.item["widget"] = update["widget"]

    def widget_streaming_text_value_delta(self, update):
        component = find(self.item["widget"], update["component_id"])
        if component is None:
            raise Wrong(f"there is no component {update['component_id']}")
        component["value"] = component.get("value", "") + update["delta"]

    def workflow_task_added(self, update):
        append(self.item["workflow"]["tasks"], update["task_index"], update["task"])

    def workflow_task_updated(self, update):
        tasks = self.item["workflow"]["tasks"]
        if update["task_index"] >= len(tasks):
            raise Wrong(f"task {update['task_index']} was not added")
        tasks[update["task_index"]] = update["task"]

    def generated_image_updated(self, update):
        self.item["image"] = update["image"]


def append(entries, index, entry):
    if index != len(entries):
        raise Wrong(f"number {index} comes behind {len(entries)} others")
    entries.append(entry)


def find(component, wanted):
    """The component with this id in a widget's tree."""
    if isinstance(component, list):
        return next((found for each in component if (found := find(each, wanted))), None)
    if not isinstance(component, dict):
        return None
    return component if component.get("id") == wanted else find(component.get("children"), wanted)
