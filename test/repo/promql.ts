import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

/** What an expression asks of Prometheus. */
export interface PromqlUse {
  readonly metrics: readonly string[];
  /** Labels that it matches or groups by, each with the metrics it stands beside. */
  readonly labels: readonly { readonly label: string; readonly metrics: readonly string[] }[];
  /** Values that it compares labels with: a regular expression's alternatives each. */
  readonly values: readonly { readonly label: string; readonly value: string }[];
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
  const values = below(tree.topNode, 'UnquotedLabelMatcher').flatMap((matcher) => {
    const [label = '', operator = '', literal = ''] = ['LabelName', 'MatchOp', 'StringLiteral'].map(
      (name) => matcher.getChildren(name).map(text).join(''),
    );
    const value = literal.slice(1, -1);
    const alternatives = operator.endsWith('~') ? value.split('|') : [value];
    return alternatives.map((each) => ({ label, value: each }));
  });
  return { metrics: metricsIn(tree.topNode), labels: [...matched, ...grouped], values };
}
