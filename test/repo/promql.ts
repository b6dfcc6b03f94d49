import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

/** What an expression asks of Prometheus. */
export interface PromqlUse {
  readonly metrics: readonly string[];
  /** Labels that it matches or groups by, each with the metrics it stands beside. */
  readonly labels: readonly { readonly label: string; readonly metrics: readonly string[] }[];
}

/**
 * Reads a PromQL expression.
 *
 * @throws Error where it is none.
 */
export function promqlUse(expression: string): PromqlUse {
  const tree = parser.parse(expression);
  const text = ({ from, to }: SyntaxNode) => expression.slice(from, to);
  const below = (node: SyntaxNode, ...names: string[]): SyntaxNode[] => {
    const found: SyntaxNode[] = [];
    node.cursor().iterate((each) => {
      if (each.type.isError) throw new Error(`no PromQL at ${each.from}: ${expression}`);
      if (names.includes(each.name)) found.push(each.node);
    });
    return found;
  };
  const metricsIn = (node: SyntaxNode) =>
    below(node, 'VectorSelector').map((selector) => {
      const [name] = selector.getChildren('Identifier');
      if (name === undefined) throw new Error(`a selector without a metric: ${expression}`);
      return text(name);
    });
  const labelsIn = (node: SyntaxNode) => below(node, 'LabelName').map(text);
  const matched = below(tree.topNode, 'VectorSelector').flatMap((selector) =>
    labelsIn(selector).map((label) => ({ label, metrics: metricsIn(selector) })),
  );
  const grouped = below(tree.topNode, 'AggregateExpr', 'BinaryExpr').flatMap((whole) =>
    [...whole.getChildren('AggregateModifier'), ...whole.getChildren('MatchingModifierClause')]
      .flatMap((modifier) => labelsIn(modifier))
      .map((label) => ({ label, metrics: metricsIn(whole) })),
  );
  return { metrics: metricsIn(tree.topNode), labels: [...matched, ...grouped] };
}
