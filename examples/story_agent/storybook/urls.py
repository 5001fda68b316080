from django.urls import path

from . import views

urlpatterns = [
    path("", views.story, name="story"),
    path("pages/<int:number>.jpg", views.picture, name="picture"),
]
