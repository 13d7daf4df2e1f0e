/** Types of expressions, checked before anything is read: what is wrong is told as Prometheus tells it. */
import { type Binary, type Call, comparisonOperators, type Expression, setOperators } from './ast.ts';
import { badData } from './errors.ts';
import { refusalOf, signatureOf, type ValueType } from './function-table.ts';

const typeNames: Readonly<Record<ValueType, string>> = {
  scalar: 'scalar',
  vector: 'instant vector',
  matrix: 'range vector',
  string: 'string',
};

/** The type of the whole. Throws `query_invalid`. */
export function typeOf(expression: Expression): ValueType {
  switch (expression.kind) {
    case 'number':
      return 'scalar';
    case 'string':
      return 'string';
    case 'selector':
      return 'vector';
    case 'matrix':
      return 'matrix';
    case 'subquery':
      expect(expression.inner, 'vector', 'subquery');
      return 'matrix';
    case 'negation': {
      const type = typeOf(expression.inner);
      if (type === 'scalar' || type === 'vector') return type;
      throw badData(
        `unary expression only allowed on expressions of type scalar or instant vector, got "${typeNames[type]}"`,
      );
    }
    case 'binary':
      return typeOfBinary(expression);
    case 'call':
      return typeOfCall(expression);
    case 'aggregation':
      if (expression.parameter !== undefined) {
        expect(
          expression.parameter,
          expression.operator === 'count_values' ? 'string' : 'scalar',
          'aggregation parameter',
        );
      }
      expect(expression.inner, 'vector', 'aggregation expression');
      return 'vector';
  }
}

function typeOfBinary({ operator, isBool, matching, left, right }: Binary): ValueType {
  const types = [typeOf(left), typeOf(right)];
  const wrong = types.find((type) => type !== 'scalar' && type !== 'vector');
  if (wrong !== undefined) throw badData(`binary expression must contain only scalar and instant vector types`);
  const isComparison = comparisonOperators.some((known) => known === operator);
  const isSet = setOperators.some((known) => known === operator);
  const hasScalar = types.includes('scalar');
  if (isBool && !isComparison) throw badData('bool modifier can only be used on comparison operators');
  if (isComparison && !isBool && types.every((type) => type === 'scalar'))
    throw badData('comparisons between scalars must use BOOL modifier');
  if (isSet && hasScalar) throw badData(`set operator "${operator}" not allowed in binary scalar expression`);
  if (hasScalar && matching !== undefined) throw badData('vector matching only allowed between instant vectors');
  if (isSet && matching?.many !== undefined) throw badData(`no grouping allowed for "${operator}" operation`);
  const twice = matching?.isOn === true ? matching.include.find((label) => matching.labels.includes(label)) : undefined;
  if (twice !== undefined) throw badData(`label "${twice}" must not occur in ON and GROUP clause at once`);
  return types.includes('vector') ? 'vector' : 'scalar';
}

function typeOfCall({ name, args }: Call): ValueType {
  const signature = signatureOf(name);
  if (signature === undefined) throw badData(`the function "${name}" is refused: ${refusalOf(name)}`);
  const most = signature.args.length;
  const least = most - signature.optional - (signature.isVariadic ? 1 : 0);
  if (args.length < least || (args.length > most && !signature.isVariadic)) {
    const wanted = signature.isVariadic || signature.optional > 0 ? `at least ${least}` : String(most);
    throw badData(`expected ${wanted} argument(s) in call to "${name}", got ${args.length}`);
  }
  args.forEach((arg, index) => {
    expect(arg, signature.args[Math.min(index, most - 1)] ?? 'vector', `call to function "${name}"`);
  });
  return signature.returns;
}

function expect(expression: Expression, wanted: ValueType, where: string): void {
  const found = typeOf(expression);
  if (found !== wanted) throw badData(`expected type ${typeNames[wanted]} in ${where}, got ${typeNames[found]}`);
}
