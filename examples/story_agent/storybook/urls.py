from django.urls import path

from . import book_views, views

urlpatterns = [
    path("", views.story, name="story"),
    path("pages/<int:number>.jpg", views.picture, name="picture"),
    path("books/", book_views.books, name="books"),
    path("books/<uuid:key>/", book_views.book, name="book"),
    path("books/<uuid:key>.pdf", book_views.book_file, name="book-file"),
    path("books/<uuid:key>/ended", book_views.book_ended, name="book-ended"),
]
