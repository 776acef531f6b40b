/** The way to one kernel: a comm with a fixed id, looked for on the control channel, so that a busy kernel is found too. */

import { type Kernel, KernelMessage } from "@jupyterlab/services";

import { type Frame, PROTOCOL, State } from "./state";
import { trans } from "./words";

const COMM = "maasnb";
const FIRST_WAIT_MS = 150;
const LAST_WAIT_MS = 10_000;
const BUSY_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
const ANSWER_MS = 5000;

export type PanelTaker = (content: Record<string, unknown>, buffers: DataView[]) => void;

/** One kernel connection and what is known of it. */
export class Link {
  readonly state = new State();
  /** Frames for the panels of runs that are shown, by the run's name. */
  readonly panels = new Map<string, Set<PanelTaker>>();
  onComparison: ((frame: Extract<Frame, { type: "comparison" }>) => void) | null = null;
  private comm: Kernel.IComm | null = null;
  private shown = false;
  private greeting = false;
  private asking = false;
  private doubted = false;
  private unanswered = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private watchers = new Set<(link: Link) => void>();

  constructor(readonly kernel: Kernel.IKernelConnection) {
    kernel.statusChanged.connect(this.onStatus, this);
    kernel.iopubMessage.connect(this.onMessage, this);
    kernel.disposed.connect(this.dispose, this);
    this.open();
    void kernel.info.then((info) => {
      this.state.language = info.language_info.name;
      this.state.waits = kernel.supportsSubshells ? (kernel.commsOverSubshells === "disabled" ? "settings" : null) : "kernel";
      if (info.language_info.name !== "python") this.change(() => this.state.clear("foreign"));
      else void this.probe();
    });
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.kernel.statusChanged.disconnect(this.onStatus, this);
    this.kernel.iopubMessage.disconnect(this.onMessage, this);
    this.kernel.disposed.disconnect(this.dispose, this);
    this.change(() => this.state.clear("dead"));
    this.watchers.clear();
  }

  watch(watcher: (link: Link) => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /** Say whether somebody looks at the sidebar: the kernel asks its endpoints more often then. */
  look(shown: boolean): void {
    if (shown === this.shown) return;
    this.shown = shown;
    if (this.state.mode === "live") this.say({ type: "look", shown });
  }

  say(message: Record<string, unknown>): void {
    if (!this.comm || this.comm.isDisposed || this.kernel.isDisposed) {
      this.answer(trans.__("The kernel is gone; nothing was done."), false);
      return;
    }
    try {
      this.comm.send(message as never);
    } catch {
      this.answer(trans.__("The kernel is gone; nothing was done."), false);
    }
  }

  answer(words: string, good: boolean): void {
    this.change(() => (this.state.answer = { words, good }));
  }

  /** Register for the frames of one run's panel; return what ends that. */
  panel(run: string, take: PanelTaker): () => void {
    const takers = this.panels.get(run) ?? new Set();
    this.panels.set(run, takers.add(take));
    return () => takers.delete(take);
  }

  private change(what: () => void): void {
    what();
    for (const watcher of [...this.watchers]) watcher(this);
  }

  /** Listen. A page that was loaded again while a cell blocks is told of what happens without having asked. */
  private open(): void {
    if (!this.kernel.handleComms || this.kernel.hasComm(COMM)) return;
    this.comm = this.kernel.createComm(COMM, COMM);
    this.comm.onMsg = (message) => {
      const buffers = (message.buffers ?? []).map((each) => (each instanceof DataView ? each : new DataView(each as ArrayBuffer)));
      this.take(message.content.data as unknown as Frame, buffers);
    };
    this.comm.onClose = () => this.change(() => this.state.clear("unloaded"));
  }

  private take(frame: Frame, buffers: DataView[]): void {
    switch (frame.type) {
      case "all":
      case "part":
        if (!this.state.take(frame) && !this.greeting) this.greet();
        this.greeting = this.greeting && frame.type !== "all";
        this.change(() => undefined);
        break;
      case "refusal":
        this.greeting = false;
        this.change(() => Object.assign(this.state, { mode: "refused", refusal: frame }));
        break;
      case "answer":
        this.answer(frame.words, frame.good);
        break;
      case "comparison":
        this.onComparison?.(frame);
        break;
      case "panel":
        for (const take of this.panels.get(frame.run) ?? []) take(frame.content, buffers);
        break;
    }
  }

  private onStatus(_: Kernel.IKernelConnection, status: Kernel.Status): void {
    if (status === "restarting" || status === "autorestarting") {
      clearTimeout(this.timer);
      this.greeting = false;
      this.change(() => this.state.clear("starting"));
    } else if (status === "dead" || status === "terminating") {
      this.change(() => this.state.clear("dead"));
    } else if (this.state.mode === "starting" || this.state.mode === "unloaded") {
      void this.probe();
    }
  }

  /** Look again when a cell has ended. The status need not change then: an answer on the control channel may have made it idle before. */
  private onMessage(_: Kernel.IKernelConnection, message: KernelMessage.IIOPubMessage): void {
    if (this.state.mode !== "starting" && this.state.mode !== "unloaded") return;
    const ended = KernelMessage.isStatusMsg(message) && message.content.execution_state === "idle";
    const parent = message.parent_header as { msg_type?: string };
    if (ended && parent.msg_type === "execute_request") void this.probe();
  }

  /** Look whether the kernel has loaded maasnb; silent where it has not. */
  private async probe(): Promise<void> {
    if (this.state.language !== "python" || this.greeting || this.kernel.isDisposed) return;
    this.doubted = this.asking;
    if (this.asking) return;
    clearTimeout(this.timer);
    this.asking = true;
    // An answer can be lost with its connection; nobody must wait for it for ever.
    const found = await Promise.race([this.ask(), new Promise<null>((given) => setTimeout(() => given(null), ANSWER_MS))]);
    this.asking = false;
    if (this.doubted) {
      // Something happened since it was asked: the answer may be of before.
      this.doubted = false;
      if (!found) return this.probe();
    }
    if (this.state.mode !== "starting" && this.state.mode !== "unloaded") return;
    if (found) {
      if (!this.greeting) this.greet();
      return;
    }
    this.unanswered = found === null ? this.unanswered + 1 : 0;
    if (found === false) this.change(() => (this.state.mode = "unloaded"));
    // A cell may load it and train in one go; when it ends, the kernel's status says so.
    if (found === null || this.kernel.status === "busy") {
      this.timer = setTimeout(() => void this.probe(), Math.min(BUSY_WAIT_MS * 2 ** this.unanswered, LONGEST_WAIT_MS));
    }
  }

  private async ask(): Promise<boolean | null> {
    const message = KernelMessage.createMessage<KernelMessage.ICommInfoRequestMsg>({
      msgType: "comm_info_request",
      channel: "shell",
      username: this.kernel.username,
      session: this.kernel.clientId,
      content: { target_name: COMM },
    });
    // ipykernel answers this on its control channel too, where no cell is in the way.
    const control = { ...message, channel: "control" } as unknown as KernelMessage.IControlMessage;
    try {
      const reply = (await this.kernel.sendControlMessage(control, true).done) as unknown as KernelMessage.ICommInfoReplyMsg | undefined;
      return reply?.content.status === "ok" ? COMM in reply.content.comms : null;
    } catch {
      return null; // it was restarted or disposed of meanwhile
    }
  }

  private greet(): void {
    if (!this.comm || this.comm.isDisposed) this.open();
    this.greeting = true;
    this.repeat(FIRST_WAIT_MS);
  }

  /** Ask for everything, again until there is an answer: a first message may wait for a cell's end. */
  private repeat(wait: number): void {
    if (!this.greeting || this.kernel.isDisposed) return;
    this.say({ type: "hello", protocol: PROTOCOL, shown: this.shown, language: document.documentElement.lang });
    clearTimeout(this.timer);
    if (wait <= LAST_WAIT_MS) this.timer = setTimeout(() => this.repeat(2 * wait), wait);
    else this.greeting = false;
  }
}
