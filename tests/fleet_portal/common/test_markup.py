import pytest

from fleet_portal.common.markup import problems_of_markup

WRONG = {
    '<p style="color: red">': "style is forbidden",
    "<style>p {}</style>": "<style> without a file",
    "<script>go()</script>": "<script> without a file",
    '<a href="#" onclick="go()">{{ x }}</a>': "onclick is forbidden",
    '<a href="#" hx-on:click="go()">{{ x }}</a>': "hx-on:click is forbidden",
    '<a href="javascript:go()">{{ x }}</a>': "script in href",
    '<a hx-vals="js:{a: 1}">{{ x }}</a>': "script in hx-vals",
    "<html>": "names no language",
    '<img src="x">': "<img> has no alt",
    '<iframe src="x"></iframe>': "<iframe> has no title",
    '<svg width="1"></svg>': "neither hidden nor named",
    "<th>{{ x }}</th>": "<th> has no scope",
    '<p tabindex="1">': "positive tabindex",
    '<input name="a">': "<input> has no label",
    '<label for="b">{{ x }}</label><select id="a"></select>': "<select> has no label",
    '<button><svg aria-hidden="true"></svg></button>': "<button> has no words",
    '<a href="/">{% icon "x" %}</a>': "<a> has no words",
    "<h2>{{ x }}</h2><h4>{{ y }}</h4>": "a level is skipped",
    "<p>Save it</p>": "text is not translated",
    "<p>{{ count }} clusters</p>": "text is not translated",
    '<input aria-label="Name">': "aria-label is not translated",
    '<td data-label="Region">{{ x }}</td>': "data-label is not translated",
}

RIGHT = [
    '<label for="a">{{ x }}</label><input id="a">',
    "<label>{{ x }} <input></label>",
    '<input type="hidden" name="a">',
    "<input aria-label=\"{% translate 'Name' %}\">",
    "<button>{% translate 'Save' %}</button>",
    "<button aria-label=\"{% translate 'Close' %}\"></button>",
    '<a href="/">{% icon "x" %}{{ name }}</a>',
    '<script src="{% static \'js/app.js\' %}" type="module"></script>',
    '<p tabindex="0" tabindex="-1">{{ x }}</p>',
    "<p>{% blocktranslate %}Page {{ number }}{% endblocktranslate %}</p>",
    "<p>{% comment %}not shown <b style='x'>{% endcomment %}{# nor this #}</p>",
    "<p>· — 12 UTC Fleet Portal</p>",
    "<pre><code>kubectl apply</code></pre>",
    '<th scope="col">{{ x }}</th>',
    "<h2>{{ x }}</h2>{% if y %}<h3>{{ y }}</h3>{% endif %}<h2>{{ z }}</h2>",
    '<div {% if x %}class="a"{% else %}class="b"{% endif %}>{{ x }}</div>',
]


@pytest.mark.parametrize("source", WRONG)
def test_wrong_markup_is_found(source: str) -> None:
    problems = problems_of_markup(source)
    assert len(problems) == 1
    assert WRONG[source] in problems[0]


@pytest.mark.parametrize("source", RIGHT)
def test_right_markup_passes(source: str) -> None:
    assert problems_of_markup(source) == []


def test_a_problem_names_the_line_of_the_template() -> None:
    source = "{% comment %}\none\n{% endcomment %}\n{% if x\n   and y %}\n<img>{% endif %}"
    assert problems_of_markup(source) == ["6: <img> has no alt"]
