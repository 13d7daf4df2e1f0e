/** `hello`: registers epochs, reports what their lineage says, and owes one welcome per page. `status`: online or not. */
import { envelopeBytesMax } from '@fogline/shared/protocol/envelope';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import {
  type EpochAnswer,
  type EpochOffer,
  encodeWelcome,
  type Hello,
  type Status,
} from '@fogline/shared/protocol/messages';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import type { AgentState } from '../store/agent-table.ts';
import type { EpochState } from '../store/epoch-table.ts';
import type { HubStore } from '../store/hub-store.ts';
import type { IngestContext, WelcomeDue } from './context.ts';

export function applyHello(context: IngestContext, agent: AgentState, hello: Hello): void {
  const { store } = context;
  const nowMs = context.clock.now();
  const { current: epoch, software, queued, isClockTrusted } = hello;
  store.agents.sayHello(
    agent,
    { epoch, software, queued, isClockTrusted, clockOffsetMs: hello.clockMs - nowMs },
    nowMs,
  );
  store.agents.setOnline(agent, true);
  context.sessions.set(agent.name, { session: hello.session, to: hello.current });
  for (const offer of hello.epochs) register(context, agent, offer, hello.session);
  context.welcomes.push({
    agent: agent.name,
    session: hello.session,
    page: hello.page,
    pages: hello.pages,
    to: hello.current,
    epochs: hello.epochs.map((offer) => offer.epoch),
  });
  context.changedAgents.add(agent.name);
}

function register(context: IngestContext, agent: AgentState, offer: EpochOffer, session: number): void {
  const { store } = context;
  const nowMs = context.clock.now();
  const { epoch, parent } = offer;
  const known = store.epochs.find(agent.id, epoch);
  if (known !== undefined) {
    if (known.parent !== parent?.epoch || known.seriesBase !== offer.seriesBase) {
      const detail = {
        known: known.parent,
        named: parent?.epoch,
        knownBase: known.seriesBase,
        namedBase: offer.seriesBase,
      };
      store.events.addOnce(nowMs, agent.id, 'lineage_conflict', epoch, detail);
    }
    return;
  }
  // The limit keeps one agent from filling the table; what it offers beyond is answered by no epoch.
  if (store.epochs.count(agent.id) >= context.limits.epochsPerAgentMax) {
    store.events.addOnce(nowMs, agent.id, 'epochs_exceeded', epoch, {
      epochsPerAgentMax: context.limits.epochsPerAgentMax,
    });
    return;
  }
  if (parent === undefined) {
    if (store.epochs.countFromOtherSessions(agent.id, session) > 0)
      store.events.add(nowMs, agent.id, 'replaced', epoch, {});
  } else {
    const siblings = store.epochs.childrenOf(agent.id, parent.epoch);
    if (siblings.length > 0) store.events.add(nowMs, agent.id, 'cloned', epoch, { parent: parent.epoch, siblings });
    const held = store.epochs.find(agent.id, parent.epoch)?.ranges.map((ranges) => ranges.highest) ?? [];
    if (held.some((highest, lane) => highest > (parent.last[lane] ?? 0))) {
      store.events.addOnce(nowMs, agent.id, 'rolled_back', parent.epoch, { child: epoch, named: parent.last, held });
    }
  }
  store.epochs.insert({ agent: agent.id, epoch, parent, seriesBase: offer.seriesBase, session }, nowMs);
}

/** A will of an earlier process says nothing about the one that runs now. */
export function applyStatus(context: IngestContext, agent: AgentState, status: Status): void {
  if (!status.isOnline && agent.epoch !== undefined && agent.epoch !== status.epoch) return;
  context.store.agents.setOnline(agent, status.isOnline);
  if (!status.isOnline) context.sessions.delete(agent.name);
  context.changedAgents.add(agent.name);
}

/** What the hub holds at this moment. Ranges that do not fit are left out: the agent sends them again and they are repeats. */
export function buildWelcome(store: HubStore, due: WelcomeDue, window: number, nowMs: number): Uint8Array {
  const agent = store.agents.find(due.agent);
  const states = due.epochs.flatMap((epoch) => {
    const state = agent === undefined ? undefined : store.epochs.find(agent.id, epoch);
    return state === undefined ? [] : [state];
  });
  for (let rangesMax: number = protocolLimits.rangesPerLaneMax; ; rangesMax = Math.floor(rangesMax / 2)) {
    const bytes = encodeWelcome({
      agent: due.agent,
      session: due.session,
      page: due.page,
      pages: due.pages,
      to: due.to,
      serverTimeMs: nowMs,
      window,
      refused: undefined,
      epochs: states.map((state) => answerOf(store, state, rangesMax)),
    });
    if (bytes.byteLength <= envelopeBytesMax || rangesMax === 0) return bytes;
  }
}

function answerOf(store: HubStore, state: EpochState, rangesMax: number): EpochAnswer {
  const held = state.ranges.map((ranges) => SeqRanges.from(ranges.watermark, ranges.beyond.slice(0, rangesMax * 2)));
  return { epoch: state.epoch, seriesKnown: store.series.of(state).known, held };
}
