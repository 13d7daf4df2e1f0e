/** Subscriptions by topic filter, one tree node a level: a match costs by the depth of the topic, not by how many there are. */

interface Node {
  readonly children: Map<string, Node>;
  readonly qosByClient: Map<string, number>;
}

function newNode(): Node {
  return { children: new Map(), qosByClient: new Map() };
}

export class SubscriptionTree {
  readonly #root = newNode();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds, or replaces the QoS of, one client's subscription. */
  set(filter: string, clientId: string, qos: number): void {
    let node = this.#root;
    for (const level of filter.split('/')) {
      let child = node.children.get(level);
      if (child === undefined) {
        child = newNode();
        node.children.set(level, child);
      }
      node = child;
    }
    if (!node.qosByClient.has(clientId)) this.#size++;
    node.qosByClient.set(clientId, qos);
  }

  delete(filter: string, clientId: string): void {
    const path: [parent: Node, level: string][] = [];
    let node = this.#root;
    for (const level of filter.split('/')) {
      const child = node.children.get(level);
      if (child === undefined) return;
      path.push([node, level]);
      node = child;
    }
    if (node.qosByClient.delete(clientId)) this.#size--;
    for (const [parent, level] of path.reverse()) {
      if (node.children.size > 0 || node.qosByClient.size > 0) break;
      parent.children.delete(level);
      node = parent;
    }
  }

  /** Every client with a filter that matches, once, with its highest QoS. */
  match(topic: string): Map<string, number> {
    const found = new Map<string, number>();
    if (this.#size === 0) return found;
    const levels = topic.split('/');
    const collect = (node: Node): void => {
      for (const [clientId, qos] of node.qosByClient) {
        const other = found.get(clientId);
        if (other === undefined || other < qos) found.set(clientId, qos);
      }
    };
    const visit = (node: Node, depth: number): void => {
      const mayBeWild = depth > 0 || !topic.startsWith('$');
      const rest = mayBeWild ? node.children.get('#') : undefined;
      if (rest !== undefined) collect(rest);
      const level = levels[depth];
      if (level === undefined) {
        collect(node);
        return;
      }
      const exact = node.children.get(level);
      if (exact !== undefined) visit(exact, depth + 1);
      const any = mayBeWild ? node.children.get('+') : undefined;
      if (any !== undefined) visit(any, depth + 1);
    };
    visit(this.#root, 0);
    return found;
  }
}
