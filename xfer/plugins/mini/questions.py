"""Extractive question answering over short stories, with unanswerable questions on request."""

from __future__ import annotations

import random
from typing import NamedTuple

from . import sampler, sentence, stories
from .meaning import Event, Part, Role, head, in_part
from .stories import Story
from .tokens import Tokens, detokenise, join


class Question(NamedTuple):
    """A story and what is asked; unanswerable when the asked event is not in the story."""

    story: Story
    asked: Event
    answerable: bool


def draw(rng: random.Random, part: Part, sizes: tuple[int, ...], roles: tuple[Role, ...]) -> Question:
    """A question on a story of one of the sizes; four in five are hard at least."""
    story = stories.story(rng, part, rng.choice(sizes), roles)
    return Question(story, story.asked, True)


def draw_unanswerable(rng: random.Random, part: Part, sizes: tuple[int, ...], roles: tuple[Role, ...]) -> Question:
    """A question that fits the story but for its object (or, without one to change, its subject)."""
    while True:
        story = stories.story(rng, part, rng.choice(sizes), roles)
        other = _misfit(rng, part, story)
        if other is not None and not any(_answers(event, other, story.role) for event in story.events):
            return Question(story, other, False)


def _misfit(rng: random.Random, part: Part, story: Story) -> Event | None:
    asked, role = story.asked, story.role
    changed: Role = "subject" if role == "object" or asked.object is None else "object"
    if changed == role:
        return None
    other = sampler.event(rng, part, stories.STORY, (asked.verb,))
    candidate = asked._replace(**{changed: getattr(other, changed)})
    return candidate if in_part(candidate, part) and head(candidate.subject) != head(candidate.object) else None


def _answers(event: Event, asked: Event, role: Role) -> bool:
    """Whether an event of the story could answer the question."""
    if event.verb != asked.verb:
        return False
    if role == "subject":
        return head(event.object) == head(asked.object)
    if role == "object":
        return head(event.subject) == head(asked.subject)
    return head(event.subject) == head(asked.subject) and head(event.object) == head(asked.object)


def answer_span(language: str, words: Tokens, role: Role) -> tuple[int, int]:
    """First and last token of the constituent; the Spanish personal "a" does not belong to the answer."""
    indices = [i for i, token in enumerate(words) if token.role == role]
    if language == "es" and len(indices) > 1 and words[indices[0]].word == "a":
        indices = indices[1:]
    return indices[0], indices[-1]


def render(question: Question, language: str) -> dict[str, object]:
    """Columns context, question, answers (text and character offset), answer_type, hard."""
    story = question.story
    lines: list[str] = []
    answers: dict[str, list[object]] = {"text": [], "answer_start": []}
    for position, (event, order) in enumerate(zip(story.events, story.orders, strict=True)):
        words = sentence.sentence(language, event, order)
        text, spans = detokenise(language, words)
        lines.append(text)
        if position == story.position and question.answerable:
            first, last = answer_span(language, words, story.role)
            start, end = spans[first][0], spans[last][1]
            offset = len(join(language, lines)) - len(text)
            answers = {"text": [text[start:end]], "answer_start": [offset + start]}
    return {
        "context": join(language, lines),
        "question": sentence.text(language, sentence.question(language, question.asked, story.role)),
        "answers": answers,
        "answer_type": story.role,
        "hard": story.hard,
    }
